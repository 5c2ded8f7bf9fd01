from support.models import model_server, no_keys

__all__ = ["model_server", "no_keys"]
