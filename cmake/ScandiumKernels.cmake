# Compiles the shaders that src/ops/ops.cmake lists to SPIR-V and embeds them.
#   scandium_op(NAME [FLAVOURS ...])   one line of the list
#   scandium_kernels(TARGET)           adds everything listed to TARGET; they lie in SCANDIUM_KERNELS_DIR
set(SCANDIUM_SPIRV_DIR "" CACHE PATH "The folder spirv/ of another build of the same sources, whose kernels to take instead of compiling them")
if(NOT SCANDIUM_SPIRV_DIR)
  find_program(SCANDIUM_GLSLANG NAMES glslang glslangValidator REQUIRED)
  find_program(SCANDIUM_SPIRV_OPT spirv-opt REQUIRED)
  find_program(SCANDIUM_SPIRV_VAL spirv-val REQUIRED)
elseif(NOT EXISTS ${SCANDIUM_SPIRV_DIR}/kernels.h)
  message(FATAL_ERROR "SCANDIUM_SPIRV_DIR: ${SCANDIUM_SPIRV_DIR} is not the folder spirv/ of a build")
endif()

# Sets `have` to whether the compiler of shaders knows an extension, which is asked, not guessed from its version.
function(_scandium_probe have shader extension since left_out)
  execute_process(
    COMMAND ${SCANDIUM_GLSLANG} --target-env vulkan1.3 -S comp -o ${CMAKE_CURRENT_BINARY_DIR}/${shader}.spv
            ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/${shader}.comp
    RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
  if(status EQUAL 0)
    set(${have} TRUE PARENT_SCOPE)
  else()
    set(${have} FALSE PARENT_SCOPE)
    message(STATUS "Scandium: ${SCANDIUM_GLSLANG} lacks ${extension} (glslang ${since} has it): ${left_out} are left out")
  endif()
endfunction()
if(NOT SCANDIUM_SPIRV_DIR)
  _scandium_probe(SCANDIUM_HAVE_BFLOAT16 probe_bfloat16 GL_EXT_bfloat16 16 "the bf16 cooperative-matrix kernels")
  _scandium_probe(SCANDIUM_HAVE_CONVERSIONS probe_conversions GL_NV_cooperative_matrix2 15 "the kernels that convert cooperative matrices")
endif()

set(SCANDIUM_FLAVOURS scalar subgroup coopmat_f16 coopmat_bf16 coopmat2_f16 coopmat2_bf16)
set(SCANDIUM_BACKENDS address32 address16 descriptor32 descriptor16)
set(SCANDIUM_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/embed_spirv.cmake)

function(scandium_op name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "FLAVOURS")
  set_property(GLOBAL APPEND PROPERTY SCANDIUM_OPS ${name})
  set_property(GLOBAL PROPERTY SCANDIUM_FLAVOURS_${name} ${arg_FLAVOURS})
endfunction()

# The preprocessor symbols and target environment of one flavour with one memory back end.
function(_scandium_flavour flavour backend out_flags out_env)
  set(flags "")
  set(env vulkan1.1)
  if(backend MATCHES "^address")
    list(APPEND flags -DMEMORY_ADDRESS=1)
  endif()
  if(backend MATCHES "16$")
    list(APPEND flags -DSTORAGE_16BIT=1)
  endif()
  if(flavour STREQUAL "subgroup")
    list(APPEND flags -DSUBGROUP=1)
  elseif(flavour MATCHES "^coopmat")
    list(APPEND flags -DCOOPMAT=1)
    set(env vulkan1.3)
    if(flavour MATCHES "_bf16$")
      list(APPEND flags -DCOOPMAT_BF16=1)
    endif()
    if(flavour MATCHES "^coopmat2")
      list(APPEND flags -DCOOPMAT_CONVERT=1)
    endif()
  endif()
  set(${out_flags} ${flags} PARENT_SCOPE)
  set(${out_env} ${env} PARENT_SCOPE)
endfunction()

# Whether a kernel is left out: as the other build did, or for what the compiler of shaders lacks.
function(_scandium_left_out name flavour backend out)
  set(${out} FALSE PARENT_SCOPE)
  if(flavour MATCHES "^coopmat" AND backend MATCHES "32$")
    set(${out} TRUE PARENT_SCOPE)  # every device with cooperative matrices has 16-bit storage
  elseif(SCANDIUM_SPIRV_DIR)
    if(NOT EXISTS ${SCANDIUM_SPIRV_DIR}/${name}.inc)
      set(${out} TRUE PARENT_SCOPE)
    endif()
  elseif((flavour MATCHES "_bf16$" AND NOT SCANDIUM_HAVE_BFLOAT16) OR (flavour MATCHES "^coopmat2" AND NOT SCANDIUM_HAVE_CONVERSIONS))
    set(${out} TRUE PARENT_SCOPE)
  endif()
endfunction()

# Adds the command that makes SPIRV/NAME.inc of one kernel.
function(_scandium_compile out name op flavour backend)
  set(shaders ${PROJECT_SOURCE_DIR}/shaders)
  _scandium_flavour(${flavour} ${backend} flags env)
  add_custom_command(
    OUTPUT ${out}/${name}.unoptimized.spv ${out}/${name}.inc  # ninja heeds a depfile only if it names the first
    COMMAND ${SCANDIUM_GLSLANG} --quiet --target-env ${env} ${flags} -I${shaders}
            --depfile ${out}/${name}.d -o ${out}/${name}.unoptimized.spv ${shaders}/${op}.comp
    COMMAND ${SCANDIUM_SPIRV_OPT} --target-env=${env} -O --loop-unroll --scalar-replacement=100
            ${out}/${name}.unoptimized.spv -o ${out}/${name}.spv
    COMMAND ${SCANDIUM_SPIRV_VAL} --target-env ${env} ${out}/${name}.spv
    COMMAND ${CMAKE_COMMAND} -DIN=${out}/${name}.spv -DOUT=${out}/${name}.inc -P ${SCANDIUM_EMBED_SCRIPT}
    DEPENDS ${shaders}/${op}.comp ${SCANDIUM_EMBED_SCRIPT}
    DEPFILE ${out}/${name}.d
    COMMENT "SPIR-V ${name}"
    VERBATIM)
endfunction()

function(scandium_kernels target)
  get_property(ops GLOBAL PROPERTY SCANDIUM_OPS)
  set(out ${PROJECT_BINARY_DIR}/spirv)
  file(MAKE_DIRECTORY ${out})
  set(spirv ${out})
  if(SCANDIUM_SPIRV_DIR)
    set(spirv ${SCANDIUM_SPIRV_DIR})
  endif()
  set(SCANDIUM_KERNELS_DIR ${spirv} PARENT_SCOPE)
  set(kernel_enum "")
  set(includes "")
  set(rows "")
  set(files "")
  foreach(op IN LISTS ops)
    get_property(flavours GLOBAL PROPERTY SCANDIUM_FLAVOURS_${op})
    if(NOT flavours)
      continue()
    endif()
    string(APPEND kernel_enum "    ${op},\n")
    foreach(flavour IN LISTS flavours)
      foreach(backend IN LISTS SCANDIUM_BACKENDS)
        set(name ${op}_${flavour}_${backend})
        _scandium_left_out(${name} ${flavour} ${backend} left_out)
        if(left_out)
          continue()
        endif()
        if(NOT SCANDIUM_SPIRV_DIR)
          _scandium_compile(${out} ${name} ${op} ${flavour} ${backend})
        endif()
        list(APPEND files ${spirv}/${name}.inc)
        string(APPEND includes "alignas(4) const uint32_t ${name}[] = {\n#include \"${name}.inc\"\n};\n")
        string(APPEND rows "    {Kernel::${op}, Flavour::${flavour}, Backend::${backend}, \"${name}\", ${name}, sizeof ${name}},\n")
      endforeach()
    endforeach()
  endforeach()

  list(JOIN SCANDIUM_FLAVOURS ",\n    " flavour_enum)
  list(JOIN SCANDIUM_BACKENDS ",\n    " backend_enum)
  file(CONFIGURE OUTPUT ${out}/kernels.h @ONLY CONTENT
"// Generated from src/ops/ops.cmake: the kernels and their SPIR-V.
#pragma once
#include <cstddef>
#include <cstdint>

namespace scandium {

enum class Kernel : uint8_t {
@kernel_enum@};
enum class Flavour : uint8_t {
    @flavour_enum@,
};
// How a kernel reaches memory, and whether it has 16-bit storage (16) or goes through words (32).
enum class Backend : uint8_t {
    @backend_enum@,
};

struct KernelCode {
    Kernel kernel;
    Flavour flavour;
    Backend backend;
    const char* name;
    const uint32_t* words;
    size_t bytes;
};

// Null if this build left it out.
const KernelCode* find_kernel_code(Kernel kernel, Flavour flavour, Backend backend);
const KernelCode* kernel_codes(size_t* count);

}  // namespace scandium
")
  file(CONFIGURE OUTPUT ${out}/kernel_code.cpp @ONLY CONTENT
"// Generated from src/ops/ops.cmake.
#include \"kernels.h\"

namespace scandium {
namespace {

@includes@
const KernelCode kCodes[] = {
@rows@};

}  // namespace

const KernelCode* find_kernel_code(Kernel kernel, Flavour flavour, Backend backend) {
    for (const KernelCode& code : kCodes)
        if (code.kernel == kernel && code.flavour == flavour && code.backend == backend) return &code;
    return nullptr;
}

const KernelCode* kernel_codes(size_t* count) {
    *count = sizeof kCodes / sizeof kCodes[0];
    return kCodes;
}

}  // namespace scandium
")
  set_source_files_properties(${out}/kernel_code.cpp PROPERTIES OBJECT_DEPENDS "${files}")
  target_sources(${target} PRIVATE ${out}/kernel_code.cpp ${files})
  target_include_directories(${target} PRIVATE ${out} ${spirv})
endfunction()
