"""SM2 by the system's libcrypto (OpenSSL 3.0 or later), called through ctypes.

The wheel of `cryptography` is built without SM2, every Linux distribution but those of Red Hat ships it. ctypes lets
go of the interpreter's lock during a call, so checks run in threads side by side. Loaded keys are read only by
libcrypto and may be shared between threads; what changes (the digest context) lives for one call.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from suyuan.base.crypto.sm2_curve import PUBLIC_BYTES, SIGNATURE_BYTES_MAX, SIGNER_ID

_OPENSSL_3 = 0x30000000
_NID_SM2 = 1172
_UNCOMPRESSED = 4
# What EVP_PKEY_fromdata is to take: the curve's parameters with a public key, or with a pair.
_PUBLIC_KEY = 0x86
_KEY_PAIR = 0x87
_UNSIGNED_INTEGER, _UTF8_STRING, _OCTET_STRING = 2, 4, 5

_POINTER, _TEXT, _INT, _SIZE = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "OpenSSL_version_num": (ctypes.c_ulong, ()),
    "EVP_PKEY_CTX_new_from_name": (_POINTER, (_POINTER, _TEXT, _TEXT)),
    "EVP_PKEY_CTX_set_params": (_INT, (_POINTER, _POINTER)),
    "EVP_PKEY_CTX_free": (None, (_POINTER,)),
    "EVP_PKEY_fromdata_init": (_INT, (_POINTER,)),
    "EVP_PKEY_fromdata": (_INT, (_POINTER, _POINTER, _INT, _POINTER)),
    "EVP_PKEY_free": (None, (_POINTER,)),
    "EVP_MD_CTX_new": (_POINTER, ()),
    "EVP_MD_CTX_free": (None, (_POINTER,)),
    "EVP_DigestSignInit_ex": (_INT, (_POINTER, _POINTER, _TEXT, _POINTER, _TEXT, _POINTER, _POINTER)),
    "EVP_DigestSign": (_INT, (_POINTER, _TEXT, _POINTER, _TEXT, _SIZE)),
    "EVP_DigestVerifyInit_ex": (_INT, (_POINTER, _POINTER, _TEXT, _POINTER, _TEXT, _POINTER, _POINTER)),
    "EVP_DigestVerify": (_INT, (_POINTER, _TEXT, _SIZE, _TEXT, _SIZE)),
    "EC_GROUP_new_by_curve_name": (_POINTER, (_INT,)),
    "EC_GROUP_free": (None, (_POINTER,)),
    "EC_POINT_new": (_POINTER, (_POINTER,)),
    "EC_POINT_clear_free": (None, (_POINTER,)),
    "EC_POINT_mul": (_INT, (_POINTER, _POINTER, _POINTER, _POINTER, _POINTER, _POINTER)),
    "EC_POINT_point2oct": (_SIZE, (_POINTER, _POINTER, _INT, _TEXT, _SIZE, _POINTER)),
    "BN_bin2bn": (_POINTER, (_TEXT, _INT, _POINTER)),
    "BN_clear_free": (None, (_POINTER,)),
    "ERR_clear_error": (None, ()),
}


class LibcryptoError(Exception):
    """libcrypto refused something that it should not refuse."""


class _Parameter(ctypes.Structure):
    """OSSL_PARAM, libcrypto's named argument. A list of them ends with one that has no name."""

    _fields_ = (
        ("key", _TEXT),
        ("kind", ctypes.c_uint),
        ("content", _POINTER),
        ("size", _SIZE),
        ("returned", _SIZE),
    )


class _Parameters:
    """A list of named arguments together with the buffers that it points into."""

    def __init__(self, *named: tuple[bytes, int, bytes]) -> None:
        self._buffers = [ctypes.create_string_buffer(content, len(content)) for _, _, content in named]
        entries = [
            _Parameter(key, kind, ctypes.addressof(buffer), len(content), _SIZE(-1).value)
            for (key, kind, content), buffer in zip(named, self._buffers, strict=True)
        ]
        self._list = (_Parameter * (len(entries) + 1))(*entries)
        self.address = ctypes.addressof(self._list)


class LibcryptoEngine:
    """Loads SM2 keys into libcrypto."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._signer_id = _Parameters((b"distid", _OCTET_STRING, SIGNER_ID))

    def public_of(self, secret: bytes) -> bytes:
        """The secret times the generator, by libcrypto's ladder, whose time does not depend on the secret."""
        library, public = self._library, ctypes.create_string_buffer(PUBLIC_BYTES)
        group = library.EC_GROUP_new_by_curve_name(_NID_SM2)
        point = library.EC_POINT_new(group)
        factor = library.BN_bin2bn(secret, len(secret), None)
        try:
            _demand(library.EC_POINT_mul(group, point, factor, None, None, None), "multiply a point")
            written = library.EC_POINT_point2oct(group, point, _UNCOMPRESSED, public, PUBLIC_BYTES, None)
            assert written == PUBLIC_BYTES
        finally:
            library.BN_clear_free(factor)
            library.EC_POINT_clear_free(point)
            library.EC_GROUP_free(group)
        return public.raw

    def load_secret(self, secret: bytes, public: bytes) -> Callable[[bytes], bytes]:
        """A function that signs."""
        # libcrypto takes whole numbers in the order of the machine's own bytes.
        own_order = secret if sys.byteorder == "big" else secret[::-1]
        key = _Key(self._library, _KEY_PAIR, (b"pub", _OCTET_STRING, public), (b"priv", _UNSIGNED_INTEGER, own_order))
        return lambda message: self._sign(key, message)

    def load_public(self, public: bytes) -> Callable[[bytes, bytes], bool]:
        """A function that says whether a signature fits a message."""
        key = _Key(self._library, _PUBLIC_KEY, (b"pub", _OCTET_STRING, public))
        return lambda message, signature: self._fits(key, message, signature)

    def _sign(self, key: _Key, message: bytes) -> bytes:
        signature, size = ctypes.create_string_buffer(SIGNATURE_BYTES_MAX), _SIZE(SIGNATURE_BYTES_MAX)
        with self._digesting(self._library.EVP_DigestSignInit_ex, key) as context:
            signed = self._library.EVP_DigestSign(context, signature, ctypes.byref(size), message, len(message))
            _demand(signed, "sign")
        return signature.raw[: size.value]

    def _fits(self, key: _Key, message: bytes, signature: bytes) -> bool:
        with self._digesting(self._library.EVP_DigestVerifyInit_ex, key) as context:
            answer = self._library.EVP_DigestVerify(context, signature, len(signature), message, len(message))
        # 1 is the only answer that means yes: 0 is a wrong signature and a negative number a fault.
        if answer == 1:
            return True
        # A failed check leaves an entry in this thread's queue of errors, which others in the process read.
        self._library.ERR_clear_error()
        return False

    @contextmanager
    def _digesting(self, begin: Any, key: _Key) -> Iterator[Any]:
        context, settings = self._library.EVP_MD_CTX_new(), _POINTER()
        try:
            begun = begin(context, ctypes.byref(settings), b"SM3", None, None, key.address, None)
            _demand(begun, "begin to sign or check")
            # The signer's id is set after the beginning, because OpenSSL 3.0 refuses it as a part of the beginning.
            _demand(self._library.EVP_PKEY_CTX_set_params(settings, self._signer_id.address), "take a signer's id")
            yield context
        finally:
            self._library.EVP_MD_CTX_free(context)


class _Key:
    """An EVP_PKEY that is freed with its owner."""

    def __init__(self, library: Any, selection: int, *named: tuple[bytes, int, bytes]) -> None:
        self._library = library
        loaded = _POINTER()
        parameters = _Parameters((b"group", _UTF8_STRING, b"SM2"), *named)
        context = library.EVP_PKEY_CTX_new_from_name(None, b"SM2", None)
        try:
            _demand(library.EVP_PKEY_fromdata_init(context), "begin loading a key")
            made = library.EVP_PKEY_fromdata(context, ctypes.byref(loaded), selection, parameters.address)
            _demand(made, "load a key")
        finally:
            library.EVP_PKEY_CTX_free(context)
        self.address = loaded.value

    def __del__(self) -> None:
        self._library.EVP_PKEY_free(getattr(self, "address", None))


def _demand(answer: int, act: str) -> None:
    if answer != 1:
        raise LibcryptoError(f"libcrypto would not {act}; is the library damaged or in a restricted mode?")


def load() -> LibcryptoEngine | None:
    """The engine, or nothing where no libcrypto with SM2 is installed."""
    for name in _names():
        try:
            library = _declared(ctypes.CDLL(name))
        except (OSError, AttributeError):
            continue
        if library.OpenSSL_version_num() >= _OPENSSL_3 and _has_sm2(library):
            return LibcryptoEngine(library)
    return None


def _names() -> list[str]:
    if sys.platform == "darwin":
        # macOS stops a process that opens the unversioned libcrypto, which is what find_library would name.
        return ["libcrypto.3.dylib", "/opt/homebrew/opt/openssl@3/lib/libcrypto.3.dylib"]
    # The names come first since find_library starts other programs to look around.
    found = ctypes.util.find_library("crypto")
    return ["libcrypto.so.3", "libcrypto.so.4", *([found] if found else [])]


def _declared(library: Any) -> Any:
    for name, (answer, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = answer, arguments
    return library


def _has_sm2(library: Any) -> bool:
    context = library.EVP_PKEY_CTX_new_from_name(None, b"SM2", None)
    library.EVP_PKEY_CTX_free(context)
    return context is not None
