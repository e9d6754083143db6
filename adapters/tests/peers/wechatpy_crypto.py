"""wechatpy's encryption of callbacks as a peer: one JSON object a line on standard input, one answer a line on standard output.

{"op": "encrypt", "token", "key", "id", "message", "nonce", "timestamp"} -> {"body": the posted XML}
{"op": "decrypt", "token", "key", "id", "body", "signature", "nonce", "timestamp"} -> {"message"}
Whatever it refuses is answered {"error": the class of the exception}.
"""

import json
import sys

from wechatpy.crypto import WeChatCrypto


def answer(request):
    crypto = WeChatCrypto(request["token"], request["key"], request["id"])
    if request["op"] == "encrypt":
        return {"body": crypto.encrypt_message(request["message"], request["nonce"], request["timestamp"])}
    opened = crypto.decrypt_message(request["body"], request["signature"], request["timestamp"], request["nonce"])
    return {"message": opened}


def main():
    for line in sys.stdin:
        try:
            told = answer(json.loads(line))
        except Exception as error:  # whatever it is, the test must hear of it
            told = {"error": type(error).__name__}
        print(json.dumps(told), flush=True)


main()
