// The program's threads, which the library may use while it makes plans.
#pragma once

#include "scandium/types.h"

namespace scandium::program {

// As many as the machine has. They are gone when a call of it returns.
Parallel threads();

}  // namespace scandium::program
