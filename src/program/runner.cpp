#include "runner.h"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <utility>

#include "bench_runner.h"
#include "check.h"
#include "files/text.h"
#include "owned.h"
#include "pipeline_cache.h"
#include "threads.h"

namespace scandium::program {
namespace {

// One problem on its way through the library.
class Job {
public:
    Job(Context* context, const Messages& messages, const Problem& problem) : context_(context), messages_(messages), problem_(problem) {}

    void build(MemoryAccess access);
    void bind();
    void execute(uint32_t repeat, CaseReport* report);
    void collect(const RunSettings& settings, CaseReport* report, OutputData* data);

private:
    TensorId declare(const std::string& name, DType dtype, const std::vector<uint64_t>& shape);
    OwnedBuffer allocate(uint64_t bytes);
    void poison(Buffer* buffer, uint64_t bytes);
    void poison_all();
    void run_once(std::vector<double>* stage_us, double* host_us);
    void check(Result result, const char* what) const { messages_.check(result, what); }

    Context* context_;
    const Messages& messages_;
    const Problem& problem_;
    std::unique_ptr<Graph, Destroy> graph_;
    std::unique_ptr<Plan, Destroy> plan_;
    std::vector<TensorId> input_ids_, output_ids_;
    std::vector<OwnedBuffer> inputs_, outputs_;
    OwnedBuffer workspace_;
    std::unique_ptr<Bindings, Destroy> bindings_;
};

TensorId Job::declare(const std::string& name, DType dtype, const std::vector<uint64_t>& shape) {
    TensorDesc desc;
    desc.name = name.c_str();
    desc.dtype = dtype;
    desc.rank = static_cast<uint32_t>(shape.size());
    std::copy(shape.begin(), shape.end(), desc.shape);
    const TensorId id = add_tensor(graph_.get(), desc);
    check(graph_status(graph_.get()), "add_tensor");
    return id;
}

void Job::build(MemoryAccess access) {
    Graph* graph = nullptr;
    check(create_graph(context_device(context_), access, &graph), "create_graph");
    graph_.reset(graph);
    TensorIds ids;
    for (const Input& input : problem_.inputs()) {
        input_ids_.push_back(declare(input.entry->name, input.dtype, input.graph_shape));
        ids.inputs[input.entry->name] = input_ids_.back();
    }
    for (const Output& output : problem_.outputs()) {
        output_ids_.push_back(declare(output.name, output.dtype, output.graph_shape));
        ids.outputs[output.name] = output_ids_.back();
    }
    check(problem_.append(graph, ids), problem_.source().op().c_str());
    Plan* plan = nullptr;
    check(create_plan(graph, PlanOptions(), &plan), "create_plan");
    plan_.reset(plan);
}

OwnedBuffer Job::allocate(uint64_t bytes) {
    Buffer* buffer = nullptr;
    check(create_buffer(context_, bytes, &buffer), "create_buffer");
    return OwnedBuffer(buffer, DestroyBuffer{context_});
}

// With all bits set an element of any float type is NaN, so that one which nobody writes shows.
void Job::poison(Buffer* buffer, uint64_t bytes) {
    constexpr uint64_t kPiece = 16u << 20;
    const std::vector<std::byte> piece(std::min(bytes, kPiece), std::byte(0xff));
    for (uint64_t done = 0; done < bytes; done += piece.size())
        check(upload(context_, buffer, done, piece.data(), std::min<uint64_t>(piece.size(), bytes - done)), "upload");
}

void Job::poison_all() {
    for (size_t i = 0; i < outputs_.size(); ++i) poison(outputs_[i].get(), problem_.outputs()[i].bytes);
    if (workspace_) poison(workspace_.get(), workspace_info(plan_.get()).size);
}

void Job::bind() {
    std::vector<Binding> bindings;
    for (size_t i = 0; i < input_ids_.size(); ++i) {
        const std::vector<std::byte> data = problem_.source().file().read(*problem_.inputs()[i].entry);
        inputs_.push_back(allocate(data.size()));
        check(upload(context_, inputs_.back().get(), 0, data.data(), data.size()), "upload");
        bindings.push_back({input_ids_[i], view(inputs_.back().get())});
    }
    for (size_t i = 0; i < output_ids_.size(); ++i) {
        outputs_.push_back(allocate(problem_.outputs()[i].bytes));
        bindings.push_back({output_ids_[i], view(outputs_.back().get())});
    }
    const uint64_t workspace_size = workspace_info(plan_.get()).size;
    BufferView workspace;
    if (workspace_size) {
        workspace_ = allocate(workspace_size);
        workspace = view(workspace_.get());
    }
    Bindings* created = nullptr;
    check(create_bindings(plan_.get(), Span<Binding>(bindings.data(), bindings.size()), workspace, &created), "create_bindings");
    bindings_.reset(created);
}

void Job::run_once(std::vector<double>* stage_us, double* host_us) {
    stage_us->assign(dispatch_count(plan_.get()), -1);
    RunOptions options;
    options.stage_us = stage_us->data();
    const auto start = std::chrono::steady_clock::now();
    check(run(context_, plan_.get(), bindings_.get(), options), "run");
    *host_us = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

void Job::execute(uint32_t repeat, CaseReport* report) {
    report->repeats = repeat;
    report->workspace = workspace_info(plan_.get()).size;
    report->access =
        buffer_usage(plan_.get()) & VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT ? MemoryAccess::address : MemoryAccess::descriptor;

    std::vector<size_t> stage_of;  // each dispatch's entry in report->stages
    for (uint32_t i = 0; i < dispatch_count(plan_.get()); ++i) {
        DispatchInfo info;
        check(describe(plan_.get(), i, &info), "describe");
        stage_of.push_back(add_stage(info, &report->stages));
    }

    std::vector<double> dispatch_us, host_us(repeat), device_us(repeat, 0);
    std::vector<std::vector<double>> stage_us(report->stages.size(), std::vector<double>(repeat, 0));
    // Once for drivers that finish compiling only now, and then from a clean start.
    poison_all();
    run_once(&dispatch_us, &host_us[0]);
    poison_all();
    bool timed = true;
    for (uint32_t i = 0; i < repeat; ++i) {
        run_once(&dispatch_us, &host_us[i]);
        for (size_t k = 0; k < dispatch_us.size(); ++k) {
            timed = timed && dispatch_us[k] >= 0;
            stage_us[stage_of[k]][i] += dispatch_us[k];
            device_us[i] += dispatch_us[k];
        }
    }
    report->host_us = median(host_us);
    if (!timed) return;
    report->device_us = median(device_us);
    for (size_t i = 0; i < stage_us.size(); ++i) report->stages[i].us = median(stage_us[i]);
}

void Job::collect(const RunSettings& settings, CaseReport* report, OutputData* data) {
    data->clear();
    for (size_t i = 0; i < outputs_.size(); ++i) {
        const Output& output = problem_.outputs()[i];
        data->emplace_back(output.bytes);
        check(download(context_, outputs_[i].get(), 0, data->back().data(), output.bytes), "download");
        OutputReport line;
        line.name = output.name;
        line.dtype = output.dtype;
        line.shape = output.shape;
        line.elements = output.bytes / size_of(output.dtype);
        const SafetensorsEntry* expected = settings.check ? problem_.expected(output) : nullptr;
        if (expected) {
            const Comparison result =
                compare(output.dtype, data->back(), dtype_of(expected->type), problem_.source().file().read(*expected));
            if (result.expected_not_finite)
                problem_.source().fail("tensor '%s' has a value that is NaN or infinite", expected->name.c_str());
            line.checked = true;
            line.tolerance = settings.tolerance.value_or(output.tolerance);
            line.error = result.error;
            line.not_finite = result.not_finite;
            line.passed = result.within(line.tolerance);
        }
        report->outputs.push_back(std::move(line));
    }
}

}  // namespace

void Messages::add(void* user, Result result, VkResult, const char* message) {
    Messages& messages = *static_cast<Messages*>(user);
    if (result != Result::ok)
        messages.lines.emplace_back(one_line(message));
    else if (messages.tells_notes)
        std::cerr << "scandium: " << one_line(message) << "\n";
}

void Messages::check(Result result, const char* what) const {
    if (result == Result::ok) return;
    throw LibraryError(result, lines.empty() ? format("%s: %s", what, to_string(result)) : lines.back());
}

OwnedContext open_context(const DeviceArguments& device, bool validate, Messages* messages) {
    const std::string cache = pipeline_cache_path(device.pipeline_cache);
    // A cache that nobody asked for may fail in silence.
    messages->tells_notes = validate || !device.pipeline_cache.empty();
    ContextOptions options;
    options.device = device.name.c_str();
    options.validation = validate;
    options.pipeline_cache = cache.c_str();
    options.parallel = threads();
    options.diagnostics = Messages::add;
    options.diagnostics_user = messages;
    Context* context = nullptr;
    messages->check(create_context(options, &context), "create_context");
    return OwnedContext(context);
}

Runner::Runner(const DeviceArguments& device, bool validate) { context_ = open_context(device, validate, &messages_); }

CaseReport Runner::run(const Problem& problem, const RunSettings& settings, OutputData* data) {
    CaseReport report;
    report.path = problem.source().file().path();
    report.op = problem.source().op();
    report.summary = problem.summary;
    {
        Job job(context_.get(), messages_, problem);
        job.build(settings.access);
        job.bind();
        job.execute(settings.repeat, &report);
        job.collect(settings, &report, data);
    }
    const uint32_t seen = validation_message_count(context_.get());
    report.validation_messages = seen - validation_messages_;
    validation_messages_ = seen;
    return report;
}

BenchReport Runner::bench(const BenchProblem& problem, const BenchSettings& settings) {
    return program::bench(context_.get(), messages_, problem, settings);
}

double Runner::memory_ceiling() {
    const bool is_cpu = caps().device_type == VK_PHYSICAL_DEVICE_TYPE_CPU;
    return program::memory_ceiling(context_.get(), messages_, is_cpu ? 4096 : 16384, BenchSettings());
}

MatrixCeiling Runner::matrix_ceiling() {
    const MatrixCeiling ceiling = program::matrix_ceiling(context_.get(), messages_);
    take_messages();  // of shapes that the device lists and this build has no kernel for
    return ceiling;
}

std::vector<std::string> Runner::take_messages() { return std::exchange(messages_.lines, {}); }

std::vector<DeviceEntry> find_devices() {
    std::vector<DeviceEntry> devices;
    Messages messages;
    const auto add = [](void* user, const DeviceEntry& entry) { static_cast<std::vector<DeviceEntry>*>(user)->push_back(entry); };
    messages.check(list_devices(add, &devices, Messages::add, &messages), "list_devices");
    if (devices.empty()) throw LibraryError(Result::unsupported, "there is no device with Vulkan 1.1");
    return devices;
}

}  // namespace scandium::program
