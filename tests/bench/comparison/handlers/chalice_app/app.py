from chalice import Chalice

app = Chalice(app_name="hello")


@app.route("/hello/{name}")
def hello(name):
    return {"hello": name}
