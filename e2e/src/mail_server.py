"""A mail server on loopback that refuses the first mails for a while and keeps the others.

    mail_server.py REFUSED

Prints its port, then one line of JSON for each mail it keeps; it ends when its standard input does.
"""
import asyncio
import json
import sys

from aiosmtpd.smtp import SMTP


class Keeper:
    def __init__(self, refused):
        self.refused = refused

    async def handle_DATA(self, server, session, envelope):
        if self.refused > 0:
            self.refused -= 1
            return "451 4.3.0 try again later"
        text = envelope.content.decode("utf-8", "replace")
        print(json.dumps({"from": envelope.mail_from, "to": envelope.rcpt_tos, "text": text}), flush=True)
        return "250 2.0.0 kept"


async def main():
    loop = asyncio.get_running_loop()
    keeper = Keeper(int(sys.argv[1]))
    server = await loop.create_server(lambda: SMTP(keeper, hostname="mail.test"), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
