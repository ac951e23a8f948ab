import socket
import ssl
import sys

for address in sys.argv[1:]:
    host, port = address.split(":")
    try:
        with socket.create_connection((host, port)) as connection:
            ssl.create_default_context().wrap_socket(connection, server_hostname=host).close()
        print("trusted")
    except OSError as error:
        print(error)
