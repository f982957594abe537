#include "threads.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>
#include <vector>

namespace scandium::program {
namespace {

constexpr uint32_t kMostThreads = 16;

void run(void*, uint32_t count, Parallel::Job job, void* data) {
    std::atomic<uint32_t> next{0};
    const auto work = [&] {
        for (uint32_t i = next++; i < count; i = next++) job(data, i);
    };
    std::vector<std::thread> others;
    try {
        const uint32_t wanted = std::min({count, std::thread::hardware_concurrency(), kMostThreads});
        while (others.size() + 1 < wanted) others.emplace_back(work);
    } catch (const std::exception&) {
        // Those that there are do it all.
    }
    work();
    for (std::thread& thread : others) thread.join();
}

}  // namespace

Parallel threads() { return {run, nullptr}; }

}  // namespace scandium::program
