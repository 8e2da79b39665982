"""The one exception that means "the user can fix this"."""


class UserError(Exception):
    """A mistake in the input, told in one sentence: what is wrong, where, what to do.

    The command line prints the message alone and exits with status 1; library users may catch it.
    """
