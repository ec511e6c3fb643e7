import asyncio, os, resource
import pytest
from tests.integration.terminator.rig import *
from tests.integration.terminator.conftest import *
SHOP="shop.example.com"
pytestmark = pytest.mark.asyncio(loop_scope="module")
def rss(pid):
    return int(open(f"/proc/{pid}/statm").read().split()[1])*4096
async def test_ku(rig, issuer):
    async def silent(reader, writer):
        try:
            while await reader.read(65536): pass
        finally: writer.close()
    async with upstream(silent) as address:
        await rig.host(issuer.domain(SHOP, address))
        p = await asyncio.create_subprocess_exec("openssl","s_client","-connect",f"127.0.0.1:{rig.https_port}","-servername",SHOP,"-tls1_3","-quiet" if 0 else "-crlf",stdin=asyncio.subprocess.PIPE,stdout=asyncio.subprocess.PIPE,stderr=asyncio.subprocess.STDOUT)
        await asyncio.sleep(0.7)
        kids=[int(x) for x in os.popen(f"pgrep -P {os.getpid()}").read().split() if 'services.terminator.worker' in open(f'/proc/{x}/cmdline').read().replace('\0',' ')]
        print("before", [rss(k) for k in kids])
        out=b""
        for i in range(3000):
            p.stdin.write(b"K\n")
            await p.stdin.drain()
            await asyncio.sleep(0.0007)
        await asyncio.sleep(1)
        print("after", [rss(k) for k in kids])
        p.stdin.close()
        p.kill()
        o = await p.stdout.read()
        print(o[-300:], o.count(b"KEYUPDATE"), o.count(b"key update"))
