def test_a_new_workspace_is_furnished(api, people):
    olga = api("olga")
    answer = olga.post("/api/v1/workspaces", {"slug": "vision", "name": "Vision"}, format="json")
    assert answer.status_code == 201, answer.json()
    names = {item["name"] for item in olga.get("/api/v1/workspaces/vision/environments").json()["environments"]}
    assert names == {"system", "sklearn", "minimal", "tabular", "tensorboard"}
