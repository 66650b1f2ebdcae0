using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FastExit.Crypto;

/// <summary>16 bytes by value (a SURB identifier, a key), so that a struct of an array can hold them without a reference.</summary>
[InlineArray(Bytes)]
[SuppressMessage("Performance", "CA1815", Justification = "Compared through spans.")]
public struct Bytes16
{
    /// <summary>Length in bytes.</summary>
    public const int Bytes = 16;

    private byte _first;

    /// <summary>The bytes in place.</summary>
    [UnscopedRef]
    public Span<byte> AsSpan() => MemoryMarshal.CreateSpan(ref _first, Bytes);

    /// <summary>The bytes in place, read only.</summary>
    [UnscopedRef]
    public readonly ReadOnlySpan<byte> AsReadOnlySpan() => MemoryMarshal.CreateReadOnlySpan(in _first, Bytes);
}
