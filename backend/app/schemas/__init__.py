"""What goes over the wire. Requests take only the fields they name; answers carry only the fields they name."""
