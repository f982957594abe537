// What the command line asks for.
#pragma once

#include <cstdint>

// As the program scandium has them.
enum ExitCode : int { kFine = 0, kFailed = 1, kBadInput = 2, kNoDevice = 3 };

struct Options {
    uint32_t agents = 4096;
    uint32_t frames = 600;
    uint32_t hidden = 64;           // width of the network
    const char* device = nullptr;   // index, or part of the name
    const char* weights = nullptr;  // safetensors; null: random ones
    bool json = false;
};

// Prints what is wrong with them, or the help, and ends the program.
Options read_options(int count, char** words);
