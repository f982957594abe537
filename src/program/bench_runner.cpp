#include "bench_runner.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>

#include "check.h"
#include "files/text.h"
#include "owned.h"
#include "scandium/ops/matrix_rate.h"
#include "support/random.h"

namespace scandium::program {
namespace {

constexpr uint64_t kPoolElements = 4194301;            // prime, so that rows of a tensor do not repeat
constexpr uint64_t kCacheBytes = uint64_t(192) << 20;  // input sets together are more than a GPU's cache holds
constexpr uint64_t kMostSets = 16;
constexpr uint64_t kMostSetBytes = uint64_t(2) << 30;  // of all sets but one

using Bytes = std::vector<std::byte>;

// Random elements; long tensors repeat those of a pool.
Bytes random_bytes(const BenchTensor& tensor, uint64_t seed) {
    test::Random random(seed);
    const uint64_t count = tensor.elements(), size = size_of(tensor.dtype), pool = std::min(count, kPoolElements);
    Bytes bytes(count * size);
    for (uint64_t i = 0; i < pool; ++i) {
        if (tensor.dtype == DType::i32) {
            const double end = tensor.below ? static_cast<double>(tensor.below) : 0x1p32;
            const uint32_t word = static_cast<uint32_t>(random.uniform(0, end));
            std::memcpy(&bytes[i * size], &word, size);
            continue;
        }
        const float value = static_cast<float>(random.uniform(tensor.low, tensor.high));
        const uint16_t half = tensor.dtype == DType::f16 ? test::to_f16(value) : test::to_bf16(value);
        if (tensor.dtype == DType::f32)
            std::memcpy(&bytes[i * size], &value, size);
        else
            std::memcpy(&bytes[i * size], &half, size);
    }
    for (uint64_t done = pool; done < count;) {
        const uint64_t piece = std::min(pool, count - done);
        std::memcpy(&bytes[done * size], bytes.data(), piece * size);
        done += piece;
    }
    return bytes;
}

// The tensors of the first input set, on the host.
class HostData : public BenchData {
public:
    struct Tensor {
        DType dtype = DType::none;
        Bytes before, after;
    };
    double input(const std::string& name, uint64_t index) const override { return value(name, &Tensor::before, index); }
    double output(const std::string& name, uint64_t index) const override { return value(name, &Tensor::after, index); }

    std::map<std::string, Tensor> tensors;

private:
    double value(const std::string& name, Bytes Tensor::*bytes, uint64_t index) const {
        const Tensor& tensor = tensors.at(name);
        return element(tensor.dtype, tensor.*bytes, index);
    }
};

class Bench {
public:
    Bench(Context* context, const Messages& messages, const BenchProblem& problem, const BenchSettings& settings)
        : context_(context), messages_(messages), problem_(problem), settings_(settings) {}

    BenchReport run() {
        build();
        uint64_t size = 1;
        for (const BenchTensor& tensor : problem_.tensors) size += tensor.bytes();
        const uint64_t most = std::min(kMostSets, kMostSetBytes / size + 1);
        const uint64_t sets = std::min(kCacheBytes / std::max<uint64_t>(problem_.bytes(), 1) + 1, most);
        for (uint64_t i = 0; i < sets; ++i) add_set(i);
        describe_plan();
        check_first_run();
        time_runs();
        time_stages();
        return std::move(report_);
    }

private:
    void check(Result result, const char* what) const { messages_.check(result, what); }
    void build();
    OwnedBuffer allocate(uint64_t bytes);
    void add_set(uint64_t seed);
    void describe_plan();
    void check_first_run();
    double run_us(uint32_t repeat);
    void time_runs();
    void time_stages();

    Context* context_;
    const Messages& messages_;
    const BenchProblem& problem_;
    const BenchSettings& settings_;
    BenchReport report_;
    HostData host_;
    std::vector<size_t> stage_of_;  // each dispatch's entry in report_.stages
    std::unique_ptr<Plan, Destroy> plan_;
    std::vector<TensorId> ids_;
    OwnedBuffer workspace_;
    std::vector<OwnedBuffer> buffers_;
    std::vector<size_t> first_set_;  // the buffer of each tensor in the first set
    std::vector<std::unique_ptr<Bindings, Destroy>> bindings_;
};

void Bench::build() {
    Graph* created = nullptr;
    check(create_graph(context_device(context_), settings_.access, &created), "create_graph");
    const std::unique_ptr<Graph, Destroy> graph(created);
    std::map<std::string, TensorId, std::less<>> by_name;
    for (const BenchTensor& tensor : problem_.tensors) {
        TensorDesc desc;
        desc.name = tensor.name.c_str();
        desc.dtype = tensor.dtype;
        desc.rank = static_cast<uint32_t>(tensor.shape.size());
        std::copy(tensor.shape.begin(), tensor.shape.end(), desc.shape);
        ids_.push_back(add_tensor(created, desc));
        check(graph_status(created), "add_tensor");
        by_name[tensor.name] = ids_.back();
    }
    check(problem_.append(created, [&](const char* name) { return by_name.at(name); }), "the operator");
    Plan* plan = nullptr;
    check(create_plan(created, PlanOptions(), &plan), "create_plan");
    plan_.reset(plan);
    if (const uint64_t size = workspace_info(plan).size; size != 0) workspace_ = allocate(size);
}

OwnedBuffer Bench::allocate(uint64_t bytes) {
    Buffer* buffer = nullptr;
    check(create_buffer(context_, bytes, &buffer), "create_buffer");
    return OwnedBuffer(buffer, DestroyBuffer{context_});
}

// Buffers of its own for every tensor. Outputs hold NaN, so that an element which nobody writes shows.
void Bench::add_set(uint64_t seed) {
    std::vector<Binding> bindings;
    for (size_t i = 0; i < problem_.tensors.size(); ++i) {
        const BenchTensor& tensor = problem_.tensors[i];
        Bytes bytes = tensor.input ? random_bytes(tensor, seed * 64 + i + 1) : Bytes(tensor.bytes(), std::byte(0xff));
        buffers_.push_back(allocate(bytes.size()));
        check(upload(context_, buffers_.back().get(), 0, bytes.data(), bytes.size()), "upload");
        bindings.push_back({ids_[i], view(buffers_.back().get())});
        if (!bindings_.empty()) continue;
        first_set_.push_back(buffers_.size() - 1);
        host_.tensors[tensor.name] = {tensor.dtype, std::move(bytes), {}};
    }
    Bindings* created = nullptr;
    const BufferView workspace = workspace_ ? view(workspace_.get()) : BufferView();
    check(create_bindings(plan_.get(), Span<Binding>(bindings.data(), bindings.size()), workspace, &created), "create_bindings");
    bindings_.emplace_back(created);
}

void Bench::describe_plan() {
    report_.access =
        buffer_usage(plan_.get()) & VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT ? MemoryAccess::address : MemoryAccess::descriptor;
    report_.tokens = problem_.tokens;
    report_.bytes = problem_.bytes();
    report_.operations = problem_.operations;
    report_.workspace = workspace_info(plan_.get()).size;
    report_.input_sets = static_cast<uint32_t>(bindings_.size());
    for (uint32_t i = 0; i < dispatch_count(plan_.get()); ++i) {
        DispatchInfo info;
        check(describe(plan_.get(), i, &info), "describe");
        stage_of_.push_back(add_stage(info, &report_.stages));
    }
}

void Bench::check_first_run() {
    check(scandium::run(context_, plan_.get(), bindings_.front().get()), "run");
    for (size_t i = 0; i < problem_.tensors.size(); ++i) {
        const BenchTensor& tensor = problem_.tensors[i];
        if (!tensor.output) continue;
        Bytes& after = host_.tensors[tensor.name].after;
        after.resize(tensor.bytes());
        check(download(context_, buffers_[first_set_[i]].get(), 0, after.data(), after.size()), "download");
    }
    report_.errors = problem_.check(host_);
    host_.tensors.clear();
}

// Microseconds of one run, out of `repeat` in one command buffer.
double Bench::run_us(uint32_t repeat) {
    std::vector<const Bindings*> bindings;
    for (const auto& owned : bindings_) bindings.push_back(owned.get());
    double total_us = -1;
    RunOptions options;
    options.repeat = repeat;
    options.total_us = &total_us;
    const auto start = std::chrono::steady_clock::now();
    check(scandium::run(context_, plan_.get(), Span<const Bindings*>(bindings.data(), bindings.size()), options), "run");
    if (total_us < 0) {
        report_.by_host_clock = true;
        total_us = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
    }
    return total_us / repeat;
}

void Bench::time_runs() {
    const auto start = std::chrono::steady_clock::now();
    const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
    uint32_t repeat = 1;
    do {
        const double us = run_us(repeat);
        repeat = static_cast<uint32_t>(std::clamp(settings_.sample_us / us, 1.0, 4096.0));
    } while (elapsed() < settings_.warm_up_s);
    std::vector<double> us(settings_.samples);
    for (double& sample : us) sample = run_us(repeat);
    report_.runs_per_sample = repeat;
    report_.samples = settings_.samples;
    report_.median_us = median(us);
    report_.min_us = *std::min_element(us.begin(), us.end());
    report_.max_us = *std::max_element(us.begin(), us.end());
}

// Apart from the runs that are timed as a whole, which timestamps between dispatches would slow down.
void Bench::time_stages() {
    std::vector<double> dispatch_us(dispatch_count(plan_.get()));
    std::vector<std::vector<double>> stage_us(report_.stages.size());
    RunOptions options;
    options.stage_us = dispatch_us.data();
    options.repeat = std::min(report_.runs_per_sample, 8u);
    for (uint32_t i = 0; i < settings_.samples; ++i) {
        check(scandium::run(context_, plan_.get(), bindings_[i % bindings_.size()].get(), options), "run");
        std::vector<double> sum(report_.stages.size(), 0);
        for (size_t k = 0; k < dispatch_us.size(); ++k) sum[stage_of_[k]] += dispatch_us[k];
        for (size_t k = 0; k < sum.size(); ++k) stage_us[k].push_back(sum[k]);
    }
    if (report_.by_host_clock) return;
    for (size_t k = 0; k < stage_us.size(); ++k) report_.stages[k].us = median(stage_us[k]);
}

}  // namespace

bool BenchReport::passed() const {
    return std::all_of(errors.begin(), errors.end(), [](const SampledError& error) { return error.passed(); });
}

BenchReport bench(Context* context, const Messages& messages, const BenchProblem& problem, const BenchSettings& settings) {
    return Bench(context, messages, problem, settings).run();
}

double memory_ceiling(Context* context, const Messages& messages, uint64_t rows, const BenchSettings& settings) {
    const uint64_t sizes[] = {rows, 4096};
    return bench(context, messages, find_bench_op("add")->make(sizes, BenchChoices()), settings).gigabytes_per_s();
}

namespace {

BenchProblem matrix_problem(const CooperativeMatrixShape& shape, uint64_t groups, uint32_t steps) {
    constexpr uint64_t kSubgroups = 4, kSums = 8;  // see matrix_rate.h
    BenchProblem problem;
    problem.output("out", DType::f32, {groups, kSubgroups});
    problem.operations = 2.0 * static_cast<double>(groups * kSubgroups * kSums * steps) * shape.m * shape.n * shape.k;
    problem.append = [=](Graph* graph, const auto& id) { return matrix_rate(graph, {shape, steps, id("out")}); };
    problem.check = [=](const BenchData& data) {
        std::vector<SampledError> errors = {{"out", 0}};
        for (uint64_t i = 0; i < groups * kSubgroups; ++i) errors[0].add(data.output("out", i), 28 + 8.0 * steps * shape.k / 64);
        return errors;
    };
    return problem;
}

}  // namespace

MatrixCeiling matrix_ceiling(Context* context, const Messages& messages) {
    const Caps& caps = device_caps(context_device(context));
    const bool is_cpu = caps.device_type == VK_PHYSICAL_DEVICE_TYPE_CPU;
    BenchSettings settings;
    settings.warm_up_s = 0.1;  // memory's ceiling has been measured before
    settings.samples = 3;
    MatrixCeiling best;
    for (uint32_t i = 0; i < caps.cooperative_matrix_count; ++i) {
        const CooperativeMatrixShape& s = caps.cooperative_matrices[i];
        if ((s.a != DType::f16 && s.a != DType::bf16) || s.b != s.a || s.c != DType::f32 || s.result != DType::f32) continue;
        const BenchProblem problem = matrix_problem(s, is_cpu ? 16 : 2048, is_cpu ? 16 : 512);
        try {
            const BenchReport report = bench(context, messages, problem, settings);
            if (report.passed() && report.teraflops() > best.tflops)
                best = {report.teraflops(), format("%ux%ux%u %s", s.m, s.n, s.k, to_string(s.a))};
        } catch (const LibraryError& error) {
            if (error.result != Result::unsupported) throw;
        }
    }
    return best;
}

}  // namespace scandium::program
