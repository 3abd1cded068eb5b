from chalice import Chalice
from chalicelib.words import greet
from names import TITLE
from rules import RULES

app = Chalice(app_name="weekly")


@app.route("/weekly/{week}")
def week(week):
    return {"title": TITLE, "rules": RULES, "week": week, "greeting": greet()}
