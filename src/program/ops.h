// The operators that the program can run. One is a function prepare_NAME in a file op_*.cpp, and an entry of the list
// in ops.cpp.
#pragma once

#include "problem.h"

namespace scandium::program {

// Reads a case and lets its operator check it. Throws FileError.
Problem load_problem(const std::string& path, const Choices& choices, bool check);

}  // namespace scandium::program
