// A workgroup's tile of a matrix product, by whichever means this flavour has.
#if COOPMAT
#include "lib/product_coopmat.glsl"
#else
#include "lib/product_scalar.glsl"
#endif
