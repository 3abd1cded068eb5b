from aws_lambda_powertools.event_handler import APIGatewayRestResolver

app = APIGatewayRestResolver(strip_prefixes=["/powertools"])


@app.get("/hello/<name>")
def hello(name: str):
    return {"hello": name}


def handler(event, context):
    return app.resolve(event, context)
