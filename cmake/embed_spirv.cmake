# cmake -DIN=a.spv -DOUT=a.inc -P embed_spirv.cmake: the words of a SPIR-V file as C initializers.
file(READ ${IN} hex HEX)
string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1,\n" words "${hex}")
file(WRITE ${OUT} "${words}")
