"""Exceptions of asks and actors."""


class AskFailed(Exception):
    """The actor that was asked will not reply.

    ``addressee`` is the actor's name; ``reason`` is short and never contains data of messages.
    """

    def __init__(self, addressee: str, reason: str) -> None:
        super().__init__(f"{addressee}: {reason}")
        self.addressee = addressee
        self.reason = reason


class ActorCrashed(AskFailed):
    """The actor crashed while handling the message, which may or may not have taken effect."""


class MailboxFull(AskFailed):
    """The mailbox had no room; the message had no effect."""


class DeadlineExceeded(AskFailed):
    """The deadline passed before the reply; the message may still take effect."""


class ActorStopped(AskFailed):
    """The actor is down for good and will never handle the message."""


class Mishap(Exception):
    """Raised by an actor when an outside system failed; logged without a traceback.

    The error's text is shown and logged as the reason, so the text must not contain data of
    messages.
    """


class Fatal(Exception):
    """Raised by an actor for an error that no restart can repair; stops the whole tree.

    The error's text is shown and logged as the reason, so the text must not contain data of
    messages. ``exit_code`` becomes the exit code of the process.
    """

    exit_code = 1
