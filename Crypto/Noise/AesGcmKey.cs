using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FastExit.Crypto.Noise;

// Round keys of AES-256 and powers of the hash key: what AesGcmKernel makes of 32 bytes.
[StructLayout(LayoutKind.Sequential)]
internal struct AesGcmKey
{
    public const int KeyBytes = 32, Rounds = 14;

    private Blocks _blocks;

    [InlineArray(Rounds + 1 + AesGcmKernel.GroupBlocks)]
    private struct Blocks
    {
        private Vector128<byte> _first;
    }
}
