using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FastExit.Crypto;

/// <summary>32 bytes by value (a replay tag, a destination, an address), so that a struct of an array can hold them without a reference.</summary>
[InlineArray(Bytes)]
[SuppressMessage("Performance", "CA1815", Justification = "Compared through spans.")]
public struct Bytes32
{
    /// <summary>Length in bytes.</summary>
    public const int Bytes = 32;

    private byte _first;

    /// <summary>The bytes in place.</summary>
    [UnscopedRef]
    public Span<byte> AsSpan() => MemoryMarshal.CreateSpan(ref _first, Bytes);

    /// <summary>The bytes in place, read only.</summary>
    [UnscopedRef]
    public readonly ReadOnlySpan<byte> AsReadOnlySpan() => MemoryMarshal.CreateReadOnlySpan(in _first, Bytes);
}
