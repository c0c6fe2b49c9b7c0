-- login.lua, but whoever is told to come back later does that.
require("login")
require("patience")
