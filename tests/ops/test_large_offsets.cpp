// Byte offsets past 2^31 and 2^32. Rows lie far apart in tensors of some 4 GiB of which hardly a page is touched, so that on a
// CPU they cost next to no memory. Where a device has no such buffers, the tests are skipped.
#include <sys/mman.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <cstring>
#include <map>
#include <memory>

#include "ref/rms_norm_gated_ref.h"
#include "scandium/ops/rms_norm_gated.h"
#include "support/compare.h"
#include "support/random.h"
#include "support/ssd_case.h"
#include "support/test_device.h"
#include "support/vulkan_host.h"

namespace scandium::test {
namespace {

constexpr uint64_t kRows = 3;
// In elements of f32. Two rows within the almost 2^31 bytes that one dispatch reaches, and one past them; then each row on its
// own, the last past 2^32 bytes.
constexpr uint64_t kNear = (uint64_t(1) << 29) - 65536, kFar = (uint64_t(1) << 29) + 4096;

struct Way {
    MemoryAccess access;
    uint64_t stride;
};
// A CPU's buffers have less than 4 GiB, so descriptors reach no further there.
std::vector<Way> ways() {
    const Caps& caps = TestDevice::get().caps();
    std::vector<Way> out = {{MemoryAccess::descriptor, kNear}};
    if (caps.device_type != VK_PHYSICAL_DEVICE_TYPE_CPU) out.push_back({MemoryAccess::descriptor, kFar});
    if (!caps.features.buffer_device_address) return out;
    out.push_back({MemoryAccess::address, kNear});
    out.push_back({MemoryAccess::address, kFar});
    return out;
}

// Where addresses of buffers are replaced by others.
std::map<VkBuffer, VkDeviceAddress> replaced_addresses;
PFN_vkGetBufferDeviceAddress get_true_address = nullptr;
VKAPI_ATTR VkDeviceAddress VKAPI_CALL get_address(VkDevice device, const VkBufferDeviceAddressInfo* info) {
    const auto found = replaced_addresses.find(info->buffer);
    return found == replaced_addresses.end() ? get_true_address(device, info) : found->second;
}

// Address space without memory behind it, until a page is touched.
class AddressSpan {
public:
    explicit AddressSpan(uint64_t bytes) : bytes_(bytes) {
        data_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    }
    ~AddressSpan() {
        if (data()) munmap(data_, bytes_);
    }
    AddressSpan(const AddressSpan&) = delete;
    AddressSpan& operator=(const AddressSpan&) = delete;
    uint8_t* data() const { return data_ == MAP_FAILED ? nullptr : static_cast<uint8_t*>(data_); }

private:
    uint64_t bytes_;
    void* data_ = nullptr;
};

class FarTensors {
public:
    explicit FarTensors(MemoryAccess access) : access_(access) {
        get_true_address = host_.api().vkGetBufferDeviceAddress;
        device_ = host_.wrap();
        const Caps& caps = device_caps(device_.get());
        const bool has_addresses = caps.features.buffer_device_address;
        if (has_addresses) usage_ |= VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
        // A driver that runs on the CPU takes any pointer for an address, whatever its limit of one allocation.
        by_pointer_ = access == MemoryAccess::address && caps.device_type == VK_PHYSICAL_DEVICE_TYPE_CPU;
    }
    ~FarTensors() { replaced_addresses.clear(); }
    FarTensors(const FarTensors&) = delete;
    FarTensors& operator=(const FarTensors&) = delete;

    Graph* graph() {
        if (!graph_) {
            Graph* made = nullptr;
            REQUIRE(create_graph(device_.get(), access_, &made) == Result::ok);
            graph_.reset(made);
        }
        return graph_.get();
    }

    // A tensor of `rows` times `per_row` elements, `stride` apart; without values all is 0.
    TensorId add(const TensorDesc& desc, uint64_t rows, uint64_t stride, const std::vector<double>& values, uint64_t per_row) {
        const TensorId id = add_tensor(graph(), desc);
        const uint64_t bytes = 4 * ((rows - 1) * stride + per_row);
        Far& far = tensors_[id];
        far.rows = rows, far.stride = stride, far.per_row = per_row;
        allocate(bytes, &far);
        mark(far);
        for (size_t i = 0; i < values.size(); ++i) element(far, i / per_row, i % per_row) = float(values[i]);
        return id;
    }
    TensorId add(const TensorDesc& desc, const std::vector<double>& values) { return add(desc, 1, 0, values, values.size()); }

    void run() {
        Plan* plan = nullptr;
        const Result planned = create_plan(graph(), PlanOptions(), &plan);
        const PlanPtr plan_owner(plan);
        INFO(host_.take_messages());
        REQUIRE(planned == Result::ok);
        std::vector<Binding> list;
        for (const auto& [id, far] : tensors_) list.push_back({id, far.view});
        const BufferView scratch = host_.make_buffer(workspace_info(plan).size + 4, usage_).view();
        Bindings* bindings = nullptr;
        const Result bound = create_bindings(plan, Span<Binding>(list.data(), list.size()), scratch, &bindings);
        const BindingsPtr bindings_owner(bindings);
        INFO(host_.take_messages());
        REQUIRE(bound == Result::ok);
        host_.run([&](VkCommandBuffer commands) { record(commands, plan, bindings); });
        for (const auto& [id, far] : tensors_) CHECK(damaged_marks(far) == 0);
    }

    std::vector<float> read(TensorId id) const {
        const Far& far = tensors_.at(id);
        std::vector<float> values;
        for (uint64_t r = 0; r < far.rows; ++r)
            for (uint64_t i = 0; i < far.per_row; ++i) values.push_back(element(far, r, i));
        return values;
    }

private:
    struct Far {
        uint64_t rows = 1, stride = 0, per_row = 0;
        BufferView view;
        uint8_t* data = nullptr;
    };

    void allocate(uint64_t bytes, Far* far) {
        if (by_pointer_) {
            spans_.push_back(std::make_unique<AddressSpan>(bytes));
            far->data = spans_.back()->data();
            if (!far->data) SKIP("no address space of " << bytes << " bytes");
            far->view = {host_.make_buffer(4, usage_).buffer, 0, bytes};
            replaced_addresses[far->view.buffer] = reinterpret_cast<VkDeviceAddress>(far->data);
            return;
        }
        try {
            const HostBuffer made = host_.make_buffer(bytes, usage_);
            far->view = made.view();
            far->data = made.data;
        } catch (const std::runtime_error& error) {
            SKIP("no buffer of " << bytes << " bytes: " << error.what());
        }
    }

    static float& element(const Far& far, uint64_t row, uint64_t i) { return reinterpret_cast<float*>(far.data)[row * far.stride + i]; }

    // Where the rows would begin if offsets were cut to 31 or 32 bits.
    static std::vector<uint64_t> wrapped_places(const Far& far) {
        std::vector<uint64_t> places;
        for (uint64_t r = 1; r < far.rows; ++r)
            for (uint32_t bits : {31, 32}) {
                const uint64_t at = 4 * r * far.stride, wrapped = at & ((uint64_t(1) << bits) - 1);
                const uint64_t in_row = wrapped % (4 * far.stride);
                if (wrapped != at && in_row >= 4 * far.per_row && in_row + 4 * far.per_row <= 4 * far.stride) places.push_back(wrapped);
            }
        return places;
    }
    static constexpr uint8_t kMark = 0xff;  // NaN
    static void mark(const Far& far) {
        for (uint64_t place : wrapped_places(far)) std::memset(far.data + place, kMark, 4 * far.per_row);
    }
    static size_t damaged_marks(const Far& far) {
        size_t damaged = 0;
        for (uint64_t place : wrapped_places(far))
            for (uint64_t i = 0; i < 4 * far.per_row; ++i) damaged += far.data[place + i] != kMark;
        return damaged;
    }

    MemoryAccess access_;
    const ReplacedEntryPoint replaced_{"vkGetBufferDeviceAddress", entry_point(get_address)};
    VulkanHost host_;
    DevicePtr device_;
    VkBufferUsageFlags usage_ = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
    bool by_pointer_ = false;
    std::vector<std::unique_ptr<AddressSpan>> spans_;
    GraphPtr graph_;
    std::map<TensorId, Far> tensors_;
};

TEST_CASE("large offsets: rms_norm_gated, rows past 2^31 and 2^32 bytes") {
    const auto [access, stride] = GENERATE(from_range(ways()));
    constexpr uint64_t kDim = 200;
    Random random(7);
    NormInputs in;
    in.rows = kRows;
    in.dim = in.group_size = kDim;
    in.x = random.normals(kRows * kDim, DType::f32);
    in.weight = random.normals(kDim, DType::f32);
    FarTensors far(access);
    RmsNormGated op;
    op.x = far.add({"x", DType::f32, 2, {kRows, kDim}, {stride, 1}}, kRows, stride, in.x, kDim);
    op.weight = far.add({"weight", DType::f32, 1, {kDim}, {}}, in.weight);
    op.y = far.add({"y", DType::f32, 2, {kRows, kDim}, {stride, 1}}, kRows, stride, {}, kDim);
    REQUIRE(rms_norm_gated(far.graph(), op) == Result::ok);
    far.run();
    CHECK(relative_rms(far.read(op.y), rms_norm_gated_ref(in).y) <= tolerance(DType::f32));
}

TEST_CASE("large offsets: ssd_scan, batch rows past 2^31 and 2^32 bytes") {
    const auto [access, stride] = GENERATE(from_range(ways()));
    SsdCase c;
    c.shape = {kRows, 40, 2, 16, 1, 16};
    c.algorithm = GENERATE(SsdAlgorithm::chunked, SsdAlgorithm::recurrent);
    constexpr uint64_t kPerRow = 40 * 2 * 16;
    const SsdInputs in = make_inputs(c);
    const SsdOutputs want = expected(c, in);
    FarTensors far(access);
    SsdScan op = options_of(c);
    op.x = far.add({"x", DType::f32, 4, {kRows, 40, 2, 16}, {stride, 32, 16, 1}}, kRows, stride, in.x, kPerRow);
    op.dt = far.add({"dt", DType::f32, 3, {kRows, 40, 2}, {}}, in.dt);
    op.A = far.add({"A", DType::f32, 1, {2}, {}}, in.A);
    op.B = far.add({"B", DType::f32, 4, {kRows, 40, 1, 16}, {}}, in.B);
    op.C = far.add({"C", DType::f32, 4, {kRows, 40, 1, 16}, {}}, in.C);
    op.y = far.add({"y", DType::f32, 4, {kRows, 40, 2, 16}, {stride, 32, 16, 1}}, kRows, stride, {}, kPerRow);
    op.final_states = far.add({"final_states", DType::f32, 4, {kRows, 2, 16, 16}, {}}, std::vector<double>(want.final_states.size()));
    REQUIRE(ssd_scan(far.graph(), op) == Result::ok);
    far.run();
    CHECK(relative_rms(far.read(op.y), want.y) <= c.y_tolerance());
    CHECK(relative_rms(far.read(op.final_states), want.final_states) <= c.state_tolerance());
}

}  // namespace
}  // namespace scandium::test
