# The first argument is the file of CAs that certifi contains. Debian's package of certifi
# contains none.
import sys

import certifi

certifi.where = lambda: sys.argv[1]

import requests

for address in sys.argv[2:]:
    try:
        requests.get("https://" + address)
        print("trusted")
    except OSError as error:
        print(error)
