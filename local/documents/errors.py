"""The one error of the documents server, with MongoDB's own codes and their names."""

from typing import Any

from bson.errors import BSONError

NAMES = {
    2: "BadValue",
    8: "UnknownError",
    9: "FailedToParse",
    14: "TypeMismatch",
    15: "Overflow",
    16: "InvalidLength",
    17: "ProtocolError",
    20: "IllegalOperation",
    22: "InvalidBSON",
    26: "NamespaceNotFound",
    27: "IndexNotFound",
    28: "PathNotViable",
    40: "ConflictingUpdateOperators",
    43: "CursorNotFound",
    48: "NamespaceExists",
    52: "DollarPrefixedFieldName",
    53: "InvalidIdField",
    54: "NotSingleValueField",
    59: "CommandNotFound",
    66: "ImmutableField",
    67: "CannotCreateIndex",
    72: "InvalidOptions",
    73: "InvalidNamespace",
    85: "IndexOptionsConflict",
    86: "IndexKeySpecsConflict",
    171: "CannotIndexParallelArrays",
    238: "NotImplemented",
    292: "QueryExceededMemoryLimitNoDiskUseAllowed",
    10334: "BSONObjectTooLarge",
    11000: "DuplicateKey",
    14031: "OutOfDiskSpace",
    40414: "IDLFailedToParse",
    40415: "IDLUnknownField",
}

# What a field of a wrong type or a missing one leads to: the fields are used as they are meant,
# not checked one by one before. Every statement is worked out before anything of it is stored.
MALFORMED = (*(LookupError, TypeError, AttributeError, ValueError, ArithmeticError), BSONError)


class DocumentsError(Exception):
    """A refusal as MongoDB words it; `details` are further fields of the answer."""

    def __init__(self, code: int, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    def as_reply(self) -> dict[str, Any]:
        name = NAMES.get(self.code, f"Location{self.code}")
        return {"ok": 0.0, "errmsg": self.message, "code": self.code, "codeName": name} | (
            self.details
        )


def malformed(name: str, error: Exception) -> DocumentsError:
    """Return the refusal of a command or statement that has not the form it should have."""
    return DocumentsError(9, f"malformed command {name}: {error!r}")


def refused(what: str, name: str) -> DocumentsError:
    """Return the refusal of something in MongoDB that this server does not implement."""
    return DocumentsError(238, f"{what} {name} is not implemented by the embedded documents server")
