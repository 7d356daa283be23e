"""Which exceptions mean that memory ran out. (Loading is tested with the jobs, in test_yolo.)"""

import errno

import pytest

from training.checkpoint import wants_memory

MEMORY = {
    "CUDA": RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    "torch on a CPU": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 17179869184 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "cuBLAS": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    "C++": RuntimeError("std::bad_alloc"),
    "OpenCV": ValueError("(-4:Insufficient memory) Failed to allocate 9216 bytes in function 'OutOfMemoryError'"),
    "Python": MemoryError(),
    "the system": OSError(errno.ENOMEM, "Cannot allocate memory"),
}
OTHER = {
    "a bug": RuntimeError("shape mismatch"),
    "the disk": OSError(errno.ENOSPC, "No space left on device"),
    "a word": ValueError("memory format is not supported"),
}


@pytest.mark.parametrize("name", [*MEMORY, *OTHER])
def test_want_of_memory_is_known_by_what_libraries_say(name: str) -> None:
    assert wants_memory((MEMORY | OTHER)[name]) == (name in MEMORY)
