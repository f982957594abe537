// Runs problems on one device.
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "commands.h"
#include "problem.h"
#include "report.h"

namespace scandium::program {

// The library refused or failed.
struct LibraryError : std::runtime_error {
    LibraryError(Result why, const std::string& message) : std::runtime_error(message), result(why) {}
    Result result;
};

// What the library has said.
struct Messages {
    std::vector<std::string> lines;  // of failures, in order
    bool tells_notes = false;        // print the rest to standard error

    static void add(void* user, Result result, VkResult vk, const char* message);
    // Throws LibraryError with the last message if a call to `what` failed.
    void check(Result result, const char* what) const;
};

struct DestroyContext {
    void operator()(Context* context) const { destroy_context(context); }
};
using OwnedContext = std::unique_ptr<Context, DestroyContext>;

// Throws LibraryError. `messages` has to outlive the context.
OwnedContext open_context(const DeviceArguments& device, bool validate, Messages* messages);

struct RunSettings {
    MemoryAccess access = MemoryAccess::automatic;
    uint32_t repeat = 1;
    bool check = false;
    std::optional<double> tolerance;  // in place of the outputs' own
};

// The bytes of every output of a problem, in its order.
using OutputData = std::vector<std::vector<std::byte>>;

struct BenchProblem;
struct BenchSettings;
struct BenchReport;
struct MatrixCeiling;

class Runner {
public:
    Runner(const DeviceArguments& device, bool validate);  // throws LibraryError

    const Caps& caps() const { return device_caps(context_device(context_.get())); }

    // Throws LibraryError, or FileError if the case's file cannot be read any more.
    CaseReport run(const Problem& problem, const RunSettings& settings, OutputData* data);

    // Throws LibraryError.
    BenchReport bench(const BenchProblem& problem, const BenchSettings& settings);
    double memory_ceiling();  // GB/s, from tensors that no cache holds
    MatrixCeiling matrix_ceiling();

    std::vector<std::string> take_messages();  // those so far

private:
    Messages messages_;
    OwnedContext context_;
    uint32_t validation_messages_ = 0;
};

std::vector<DeviceEntry> find_devices();  // throws LibraryError

}  // namespace scandium::program
