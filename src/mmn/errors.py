"""The exception for errors that the user can fix."""


class UserError(Exception):
    """An error in the input, described in one sentence: what is wrong, where, what to do.

    The command line prints only the message and exits with status 1; library users may catch it.
    """
