"""flatten.py OBJCOPY ELF HEADER: the shim's text as an array in C."""
import os
import subprocess
import sys

objcopy, elf, header = sys.argv[1:]
flat = header + ".bin"
subprocess.run([objcopy, "-O", "binary", "-j", ".text", elf, flat], check=True)
with open(flat, "rb") as f:
    text = f.read()
os.unlink(flat)
with open(header, "w") as f:
    f.write("static const unsigned char shim_text[] = {\n")
    for i in range(0, len(text), 20):
        f.write("\t" + ", ".join(str(b) for b in text[i:i + 20]) + ",\n")
    f.write("};\n")
