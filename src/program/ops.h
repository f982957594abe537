// The operators that the program can run. One is a file, op_NAME.cpp, and a line in ops.cpp.
#pragma once

#include "problem.h"

namespace scandium::program {

struct Op {
    const char* name;                                           // as in a case's metadata
    void (*prepare)(Problem& problem, const Choices& choices);  // throws FileError
};

void prepare_ssd(Problem& problem, const Choices& choices);

// Reads a case and lets its operator check it. Throws FileError.
Problem load_problem(const std::string& path, const Choices& choices, bool check);

}  // namespace scandium::program
