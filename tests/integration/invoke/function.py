"""Functions for the Invoke API under test: one handler that does what its event says."""

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.13, CodeUri: functions/, Handler: does.handler, Timeout: 1}
Resources:
  Two:
    Type: AWS::Serverless::Function
    Metadata: {Spillway: {Environments: 2}}
    Properties: {FunctionName: two-at-a-time, Timeout: 5}
  Do:
    Type: AWS::Serverless::Function
    Properties: {MemorySize: 256}
  Other:
    Type: AWS::Serverless::Function
    Metadata: {Spillway: {Environments: 2}}
    Properties: {Timeout: 5}
  Plain:
    Type: AWS::Serverless::Function
    Properties: {Timeout: !Ref AWS::NoValue}
  Roomy:
    Type: AWS::Serverless::Function
    Properties: {Timeout: 30, MemorySize: 10240, EphemeralStorage: {Size: 1024}}
  Narrow:
    Type: AWS::Serverless::Function
    Properties: {ReservedConcurrentExecutions: 1, Timeout: 5}
  Shut:
    Type: AWS::Serverless::Function
    Properties:
      ReservedConcurrentExecutions: 0
      EventInvokeConfig: {DestinationConfig: {OnFailure: {Destination: !GetAtt Failures.Arn}}}
  Broken:
    Type: AWS::Serverless::Function
    Properties: {Handler: broken.handler}
  Told:
    Type: AWS::Serverless::Function
    Properties:
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt DeadLetters.Arn}
      EventInvokeConfig:
        DestinationConfig:
          OnSuccess: {Type: Lambda, Destination: !GetAtt Witness.Arn}
          OnFailure: {Type: SQS, Destination: !GetAtt Failures.Arn}
  Twice:
    Type: AWS::Serverless::Function
    Properties: {EventInvokeConfig: {MaximumRetryAttempts: 1}}
  Once:
    Type: AWS::Serverless::Function
    Properties: {EventInvokeConfig: {MaximumRetryAttempts: 0}}
  Witness:
    Type: AWS::Serverless::Function
    Properties: {Handler: does.witness}
  Failures:
    Type: AWS::SQS::Queue
  DeadLetters:
    Type: AWS::SQS::Queue
"""

HANDLER = """
import json, os, resource, signal, tempfile, time

seen = 0

def remember(event, context):
    with open(event["file"], "a") as file:
        file.write(context.aws_request_id + "\\n")

def say(event, context):
    print(event["word"])
    return event["word"]

def pid(event, context):
    global seen
    seen += 1
    time.sleep(event.get("s", 0))
    return {"pid": os.getpid(), "seen": seen, "tmp": tempfile.gettempdir()}

def fail(event, context):
    if "file" in event:
        remember(event, context)
    raise ValueError("no such thing")

def sleep(event, context):
    time.sleep(event["s"])

def hang_disarmed(event, context):
    signal.setitimer(signal.ITIMER_REAL, 0)
    time.sleep(60)

def leave(event, context):
    os._exit(3)

def crash(event, context):
    os.kill(os.getpid(), signal.SIGSEGV)

def eat(event, context):
    eaten = bytearray(event["mb"] << 20)
    eaten[::4096] = b"x" * len(eaten[::4096])
    time.sleep(5)

def fork(event, context):
    return os.fork()

def spawn(event, context):
    pid = os.fork()
    if pid:
        with open(event["file"], "w") as file:
            file.write(str(pid))
    time.sleep(60)

def daemon(event, context):
    read, write = os.pipe()
    if not os.fork():
        os.setsid()
        pid = os.fork()
        while not pid:
            pass
        os.write(write, str(pid).encode())
        os._exit(0)
    return int(os.read(read, 10))

def state_of(event, context):
    with open(f"/proc/{event['pid']}/stat") as file:
        return file.read().rpartition(") ")[2][0]

def multiply(event, context):
    for _ in range(event["times"]):
        if not os.fork():
            time.sleep(60)
            os._exit(0)
    time.sleep(60)

def eat_in_child(event, context):
    if not os.fork():
        eat(event, context)
    time.sleep(60)

def store(event, context):
    for _ in range(event["files"]):
        with open(tempfile.mkstemp()[1], "wb") as file:
            file.truncate(100 << 20)
    time.sleep(event["s"])
    return len(os.listdir(tempfile.gettempdir()))

def flood(event, context):
    for _ in range(event["mb"]):
        print("x" * 1_048_575)

def close_all(event, context):
    os.closerange(3, 1024)

def characters(event, context):
    return [ord(character) for character in event["text"]]

def nan(event, context):
    return {"seen": float("nan")}

def nonsense(event, context):
    return {1, 2}

def who_called(event, context):
    return {"custom": context.client_context.custom, "app": context.client_context.client.app_title}

def limits(event, context):
    return {
        "memory": context.memory_limit_in_mb,
        "remaining": context.get_remaining_time_in_millis(),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "file_mb": resource.getrlimit(resource.RLIMIT_FSIZE)[0] >> 20,
    }

def large(event, context):
    return "x" * event["bytes"]

def handler(event, context):
    is_told = isinstance(event, dict) and "do" in event
    return globals()[event["do"]](event, context) if is_told else event

def witness(event, context):
    with open(event["requestPayload"]["witness"], "w") as file:
        json.dump(event, file)
"""
