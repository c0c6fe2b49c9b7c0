"""What mail says, in which language, and how it leaves. It knows no service and no web framework."""
