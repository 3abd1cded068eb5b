"""A Chalice app as `chalice package` packs it: routes, an authorizer, and messages of a queue."""

import os

from chalice import AuthResponse, Chalice

app = Chalice(app_name="shop")


@app.authorizer()
def gate(request):
    return AuthResponse(routes=["*"] if request.token == "open" else [], principal_id="me")


@app.route("/items/{sku}", methods=["GET"], cors=True)
def item(sku):
    return {"sku": sku, "region": os.environ["AWS_REGION"]}


@app.route("/closed", authorizer=gate)
def closed():
    return {"who": app.current_request.context["authorizer"]["principalId"]}


@app.on_sqs_message(queue="jobs")
def work(event):
    with open(os.environ["JOURNAL"], "a") as journal:
        journal.writelines(f"{record.body}\n" for record in event)


@app.schedule("rate(1 minute)")
def every(event):
    with open(os.environ["JOURNAL"], "a") as journal:
        journal.write(f"{event.to_dict()['detail-type']}\n")
