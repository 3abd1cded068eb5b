"""A template and a handler for the hosts under test; the handler does what its event says."""

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layer}
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: echo-function
      Handler: echo.handler
      Runtime: python3.13
      CodeUri: code/
      Timeout: 2
      MemorySize: 256
      Layers: [!Ref Layer]
      Environment:
        Variables: {GREETING: hello, OVERRIDDEN: template, OTEL_SERVICE_NAME: of-template}
  Hanging:
    Type: AWS::Serverless::Function
    Properties: {Handler: hanging.handler, Runtime: python3.13, CodeUri: code/, Timeout: 1}
  Structured:
    Type: AWS::Serverless::Function
    Properties:
      Handler: echo.handler
      Runtime: python3.13
      CodeUri: code/
      Layers: [!Ref Layer]
      LoggingConfig: {LogFormat: JSON, ApplicationLogLevel: DEBUG}
  Helped:
    Type: AWS::Serverless::Function
    Properties: {Handler: helped.handler, Runtime: python3.13, CodeUri: code/}
  Broken:
    Type: AWS::Serverless::Function
    Properties: {Handler: broken.handler, Runtime: python3.13, CodeUri: code/}
"""


HANDLER = """
import atexit, datetime, decimal, logging, os, resource, signal, sys, tempfile, time
from from_layer import WORD
from snapshot_restore_py import register_after_restore

print("printed by the import")
IMPORTED_BY = os.getpid()
served = 0
circle = []
circle.append(circle)
restored_in = []

@register_after_restore
def fail_to_connect():
    raise ConnectionError("not there yet")

@register_after_restore
def connect():
    restored_in.append(os.getpid())

def restored(event, context):
    return restored_in

def environment(event, context):
    return {name: os.environ.get(name) for name in event["names"]}

def pid(event, context):
    global served
    served += 1
    return {"pid": os.getpid(), "imported_by": IMPORTED_BY, "served": served, "word": WORD}

def context(event, context):
    return {
        "id": context.aws_request_id,
        "name": context.function_name,
        "memory": context.memory_limit_in_mb,
        "arn": context.invoked_function_arn,
        "remaining": context.get_remaining_time_in_millis(),
        "trace": os.environ["_X_AMZN_TRACE_ID"],
    }

def late_remaining(event, context):
    signal.setitimer(signal.ITIMER_REAL, 0)
    time.sleep(0.4)
    return context.get_remaining_time_in_millis()

def say(event, context):
    print("said", event["word"])

def complain(event, context):
    print("complained", file=sys.stderr)
    sys.stderr.fileno()
    logging.getLogger("anybody").error("logged")

def log(event, context):
    logger = logging.getLogger("shop")
    logger.debug("sold %d", 2, extra={"to": "Ada"})
    try:
        1 / 0
    except ZeroDivisionError:
        logger.exception({"order": 1})

def say_and_hang(event, context):
    print("said before it hung")
    time.sleep(60)

def say_in_child(event, context):
    pid = os.fork()
    if not pid:
        print("said by a child")
        os._exit(0)
    os.waitpid(pid, 0)

def flood(event, context):
    print("x" * 1_000_000)

def fail(event, context):
    raise ValueError("no such thing")

def leave(event, context):
    os._exit(3)

def hang(event, context):
    time.sleep(60)

def hang_disarmed(event, context):
    signal.setitimer(signal.ITIMER_REAL, 0)
    time.sleep(60)

def slow(event, context):
    time.sleep(0.5)
    return "finished"

def open_files(event, context):
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]

def flush_at_exit(event, context):
    atexit.register(lambda: open(event["file"], "w").close())

def temporary(event, context):
    return tempfile.gettempdir()

def returned(event, context):
    return {
        "decimal": lambda: {"whole": decimal.Decimal("12"), "part": decimal.Decimal("1.50")},
        "none": lambda: None,
        "text": lambda: "ä ☂",
        "bytes": lambda: b'{"raw": true}',
        "nan": lambda: [1, float("nan")],
        "no_json": lambda: b"no json",
        "circle": lambda: circle,
        "object": object,
        "date": lambda: datetime.date(2026, 1, 1),
        "large": lambda: "x" * 6_291_555,
    }[event["kind"]]()

def handler(event, context):
    return globals()[event["do"]](event, context)
"""


BROKEN = """
print("about to import it")
import there_is_no_such_module
"""


HELPED = """
import os, subprocess

helper = subprocess.Popen(["sleep", "60"])

def handler(event, context):
    return os._exit(3) if event["do"] == "leave" else helper.pid
"""
