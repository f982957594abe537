#include "options.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr const char* kHelp =
    "agents: steps a policy network for many agents every frame, and prints how long frames take\n"
    "  --agents N      1 to 65535 (default 4096)\n"
    "  --frames N      1 to 1000000 (default 600), after a few that do not count\n"
    "  --hidden N      width of the network, 1 to 4096 (default 64)\n"
    "  --weights FILE  safetensors with the names in scandium/sequence_model.h (default: random weights)\n"
    "  --device D      index, or part of the name (default: the best one)\n"
    "  --json          one JSON document on standard output\n"
    "Exit codes: 0 fine, 1 the agents did nothing, or nothing finite, 2 bad input or usage, 3 no usable device.\n";

[[noreturn]] void refuse(const char* what, const char* word) {
    std::fprintf(stderr, "agents: %s %s; --help lists the options\n", what, word);
    std::exit(kBadInput);
}

uint32_t number(const char* option, const char* word, unsigned long most) {
    char* end = nullptr;
    const unsigned long value = std::strtoul(word, &end, 10);
    if (word[0] < '0' || word[0] > '9' || *end != '\0' || value < 1 || value > most) refuse(option, "has a value out of range");
    return static_cast<uint32_t>(value);
}

}  // namespace

Options read_options(int count, char** words) {
    Options options;
    for (int i = 1; i < count; ++i) {
        const char* word = words[i];
        const auto is = [&](const char* name) { return std::strcmp(word, name) == 0; };
        if (is("--json")) {
            options.json = true;
            continue;
        }
        if (is("--help")) {
            std::fputs(kHelp, stdout);
            std::exit(0);
        }
        if (!is("--agents") && !is("--frames") && !is("--hidden") && !is("--weights") && !is("--device"))
            refuse("there is no option", word);
        if (++i == count) refuse("a value is missing after", word);
        if (is("--agents")) options.agents = number(word, words[i], 65535);
        if (is("--frames")) options.frames = number(word, words[i], 1000000);
        if (is("--hidden")) options.hidden = number(word, words[i], 4096);
        if (is("--weights")) options.weights = words[i];
        if (is("--device")) options.device = words[i];
    }
    return options;
}
