from aws_lambda_powertools.event_handler.http_resolver import HttpResolverLocal

app = HttpResolverLocal()


@app.get("/hello/<name>")
def hello(name: str):
    return {"hello": name}
