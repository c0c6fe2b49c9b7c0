-- login_json.lua, but whoever is told to come back later does that.
require("login_json")
require("patience")
