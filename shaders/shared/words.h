// Read by GLSL and C++: how kernels for CPUs go through rows of words.
#ifndef SCANDIUM_SHARED_WORDS_H
#define SCANDIUM_SHARED_WORDS_H

#define WORDS_DEPTH 4  // times as many words as a subgroup has lanes are read before any are written

#endif
