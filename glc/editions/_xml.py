"""XML of archives, which anyone may have written: decoded here, and refused where it declares entities."""

import codecs
import re
from xml.etree import ElementTree

from glc.errors import DataError

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_STARTS = {
    b"<\0\0\0": "utf-32-le",
    b"\0\0\0<": "utf-32-be",
    b"<\0": "utf-16-le",
    b"\0<": "utf-16-be",
}
_DECLARED = re.compile(rb"""\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_DECLARATION = re.compile(r"\s*<\?xml\s[^>]*\?>")


def root(content: bytes, where: str) -> ElementTree.Element:
    """The root element of an XML text, whose tags have lost their namespaces.

    where : what the text is of, for the error
    A DataError refuses a DOCTYPE: entities make a parser take all memory, crash, or read other files. Another error is
    that of the parser, `ElementTree.ParseError` or a ValueError.
    """
    text = _decoded(content)
    # the parser gets the characters that were looked at, whatever encoding the text names
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError(
            f"{where}: found a DOCTYPE, expected plain XML without one, as archives of Darwin Core have; entities can "
            "crash a reader: remove the DOCTYPE, or fetch the archive from its publisher"
        )
    element = ElementTree.fromstring(_DECLARATION.sub("", text, count=1))
    for each in element.iter():
        each.tag = each.tag.rpartition("}")[2]
    return element


def _decoded(content: bytes) -> str:
    for mark, name in _MARKS.items():
        if content.startswith(mark):
            return content[len(mark) :].decode(name, errors="replace")
    for start, name in _STARTS.items():
        if content.startswith(start):
            return content.decode(name, errors="replace")
    match = _DECLARED.match(content)
    try:
        return content.decode(match[1].decode() if match else "utf-8", errors="replace")
    except LookupError as error:
        raise ValueError(str(error)) from None
