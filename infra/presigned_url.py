"""Links that carry their own permission: AWS Signature Version 4 in the query string.

minio-py signs the host alone; here headers can be signed too, so that a link can say what
may be sent. https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal
from urllib.parse import quote

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_LONGEST = timedelta(days=7)


class Signer:
    """Signs links to objects at one endpoint."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str, region: str) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._credentials = Credentials(access_key, secret_key)
        self._region = region

    def sign(
        self,
        method: Literal["GET", "PUT"],
        bucket: str,
        key: str,
        expires: timedelta,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str],
    ) -> str:
        """Return the link for one method on one object; it holds from now on.

        A request by it must carry `headers`. Raises `ValueError` when `expires` is not
        between a second and seven days, which is what stores accept.
        """
        if not timedelta(seconds=1) <= expires <= _LONGEST:
            raise ValueError(f"a link can hold from 1 second to 7 days, not {expires}")
        request = AWSRequest(
            method,
            f"{self._endpoint}/{bucket}/{quote(key, safe='/~')}",
            headers=dict(headers),
            params=dict(query),
        )
        seconds = int(expires.total_seconds())
        S3SigV4QueryAuth(self._credentials, "s3", self._region, expires=seconds).add_auth(request)
        return str(request.url)
