from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

app = APIGatewayRestResolver()
logger = Logger()
pets = {"1": {"name": "Rex"}}


@app.get("/pets")
def list_pets():
    return list(pets.values())


@app.get("/pets/<pet_id>")
def show_pet(pet_id: str):
    if pet_id not in pets:
        raise NotFoundError(f"no pet {pet_id}")
    return pets[pet_id]


@app.post("/pets")
def add_pet():
    return app.current_event.json_body, 201


@logger.inject_lambda_context
def lambda_handler(event, context):
    return app.resolve(event, context)
