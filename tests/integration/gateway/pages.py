"""A function behind an API: three events at a time, a second for each, one route throttled."""

PAGES = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.13, CodeUri: functions/, Timeout: 5}
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
      BinaryMediaTypes: [image/png]
      MethodSettings:
        - {ResourcePath: /rare, HttpMethod: GET, ThrottlingRateLimit: 0.1, ThrottlingBurstLimit: 2}
      GatewayResponses:
        MISSING_AUTHENTICATION_TOKEN:
          StatusCode: 404
          ResponseParameters: {Headers: {X-Kind: "'no route'"}}
          ResponseTemplates:
            application/problem+json:
              '{"detail":$context.error.messageString,"path":"$context.path"}'
        INTEGRATION_FAILURE:
          StatusCode: 503
          ResponseTemplates: {application/json: '{"code":"overloaded"}'}
  Pages:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.pages
      Timeout: 1
      ReservedConcurrentExecutions: 3
      Events:
        Page:
          Type: Api
          Properties: {RestApiId: !Ref Api, Method: ANY, Path: "/pages/{name}"}
        Rare:
          Type: Api
          Properties: {RestApiId: !Ref Api, Method: GET, Path: /rare}
"""
