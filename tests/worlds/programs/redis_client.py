"""Counts in redis over one connection: no answer is lost, repeated or another's."""
import socket
import sys
import time

s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
f = s.makefile("rb")
n = 0
while True:
    s.sendall(b"INCR watched\r\n")
    answer = f.readline()
    n += 1
    if answer != b":%d\r\n" % n:
        print("bad", answer, "not", n)
        break
    print("tick incr", n)
    time.sleep(0.02)
