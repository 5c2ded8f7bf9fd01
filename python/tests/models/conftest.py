from support.models import no_keys

__all__ = ["no_keys"]
