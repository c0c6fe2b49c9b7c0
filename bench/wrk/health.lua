-- GET without credentials.
require("common")
