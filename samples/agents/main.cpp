// Thousands of agents, each with a memory of its own, decide every frame on the GPU: a policy network that is stepped for all of
// them in one chain of dispatches, recorded once. Prints how long frames take. Weights are random unless a file is given, so the
// agents do nothing clever; it is the times that matter here.
// Exit codes: options.h.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "options.h"
#include "policy.h"
#include "world.h"

using namespace scandium;

namespace {

constexpr uint32_t kWarmUp = 5;  // frames that do not count
constexpr double kBudgetMs = 1000.0 / 60;

using Clock = std::chrono::steady_clock;

struct Times {
    std::vector<double> frame_ms, gpu_ms;
    uint64_t resets = 0;
    double action_rms = 0;
};

double at_share(std::vector<double> values, double share) {
    std::sort(values.begin(), values.end());
    return values[std::min(values.size() - 1, size_t(share * double(values.size())))];
}

double rms(const float* values, size_t count) {
    double squares = 0;
    for (size_t i = 0; i < count; ++i) squares += double(values[i]) * double(values[i]);
    return std::sqrt(squares / double(count));
}

Times run_frames(World* world, Policy* policy, const Options& options) {
    Times times;
    for (uint32_t frame = 0; frame < kWarmUp + options.frames; ++frame) {
        const Clock::time_point begin = Clock::now();
        world->observe(policy->features());
        policy->step(world->reborn());
        world->act(policy->actions());
        const double ms = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
        if (frame < kWarmUp) continue;
        times.frame_ms.push_back(ms);
        times.gpu_ms.push_back(policy->gpu_us() / 1000);
        times.resets += world->reborn().size();
    }
    times.action_rms = rms(policy->actions(), size_t(options.agents) * World::kActions);
    return times;
}

// Of the frames' time, the part that the GPU was at work; negative if it has no timestamps.
double gpu_share(const Times& times) {
    double all = 0, gpu = 0;
    for (double ms : times.frame_ms) all += ms;
    for (double ms : times.gpu_ms) gpu += ms;
    return gpu / all;
}

void print_json(const Times& times, const char* device, const Policy& policy, const Options& options) {
    std::printf("{\"device\": \"");
    for (const char* c = device; *c; ++c) std::putchar(*c == '"' || *c == '\\' || static_cast<unsigned char>(*c) < ' ' ? '?' : *c);
    std::printf("\", \"agents\": %u, \"frames\": %u, \"parameters\": %llu, \"state_bytes\": %zu,\n", options.agents, options.frames,
                static_cast<unsigned long long>(policy.parameters()), policy.bytes_per_agent());
    std::printf(" \"frame_ms\": {\"median\": %.4f, \"p95\": %.4f, \"p99\": %.4f, \"max\": %.4f},\n", at_share(times.frame_ms, 0.5),
                at_share(times.frame_ms, 0.95), at_share(times.frame_ms, 0.99), at_share(times.frame_ms, 1));
    if (gpu_share(times) < 0)
        std::printf(" \"gpu_ms\": null, \"gpu_share\": null,\n");
    else
        std::printf(" \"gpu_ms\": %.4f, \"gpu_share\": %.4f,\n", at_share(times.gpu_ms, 0.5), gpu_share(times));
    std::printf(" \"resets\": %llu, \"action_rms\": %.6g}\n", static_cast<unsigned long long>(times.resets), times.action_rms);
}

void print_text(const Times& times, const char* device, const Policy& policy, const Options& options) {
    std::printf("%s\n", device);
    std::printf("  %u agents, a network of %llu parameters, %.1f KiB of memory an agent, %llu born again in %u frames\n", options.agents,
                static_cast<unsigned long long>(policy.parameters()), double(policy.bytes_per_agent()) / 1024,
                static_cast<unsigned long long>(times.resets), options.frames);
    std::printf("  frame  median %.3f ms   p95 %.3f ms   p99 %.3f ms   max %.3f ms\n", at_share(times.frame_ms, 0.5),
                at_share(times.frame_ms, 0.95), at_share(times.frame_ms, 0.99), at_share(times.frame_ms, 1));
    if (gpu_share(times) < 0)
        std::printf("  GPU    the device has no timestamps\n");
    else
        std::printf("  GPU    median %.3f ms, %.0f %% of the frames' time\n", at_share(times.gpu_ms, 0.5), 100 * gpu_share(times));
    const double share = at_share(times.frame_ms, 0.99) / kBudgetMs;
    std::printf("  the p99 is %.0f %% of a frame at 60 fps\n", 100 * share);
}

}  // namespace

int main(int count, char** words) {
    const Options options = read_options(count, words);
    ContextOptions context_options;
    context_options.device = options.device;
    Context* context = nullptr;
    if (create_context(context_options, &context) != Result::ok) {
        std::fprintf(stderr, "agents: there is no %sVulkan device\n", options.device ? "such " : "");
        return kNoDevice;
    }
    double action_rms = 0;
    {
        const char* device = device_caps(context_device(context)).device_name;
        World world(options.agents);
        Policy policy(context, options, World::kFeatures, World::kActions);
        const Times times = run_frames(&world, &policy, options);
        action_rms = times.action_rms;
        options.json ? print_json(times, device, policy, options) : print_text(times, device, policy, options);
    }
    destroy_context(context);
    return action_rms > 0 && std::isfinite(action_rms) ? kFine : kFailed;
}
