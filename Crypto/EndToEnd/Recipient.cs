using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using FastExit.Crypto.Primitives;
using SimpleBase;

namespace FastExit.Crypto.EndToEnd;

/// <summary>
/// Address of a mixnet client (end-to-end.md §1.2, §1.3). Binary, 96 bytes: ed25519 identity, x25519 encryption key,
/// ed25519 identity of the client's gateway, 32 bytes each. Text: <c>base58(identity).base58(key)@base58(gateway)</c>.
/// Both identities must be points of the curve; any 32 bytes pass as an encryption key. Equality is of all 96 bytes.
/// </summary>
public readonly struct Recipient : IEquatable<Recipient>
{
    public const int Bytes = 96;

    /// <summary>Longest text: three parts of 44 base58 characters and two separators.</summary>
    public const int MaximumTextChars = (3 * MaximumPartChars) + 2;

    private const int PartBytes = 32;
    private const int MaximumPartChars = 44;

    private readonly Storage _bytes;

    private Recipient(ReadOnlySpan<byte> bytes) => bytes.CopyTo(_bytes);

    /// <summary>ed25519 public key of the client; also its Sphinx destination.</summary>
    [UnscopedRef]
    public ReadOnlySpan<byte> Identity => ((ReadOnlySpan<byte>)_bytes)[..PartBytes];

    /// <summary>x25519 public key for the end-to-end encryption of forward packets.</summary>
    [UnscopedRef]
    public ReadOnlySpan<byte> EncryptionKey => ((ReadOnlySpan<byte>)_bytes).Slice(PartBytes, PartBytes);

    /// <summary>ed25519 public key of the gateway that delivers to the client: the last Sphinx hop.</summary>
    [UnscopedRef]
    public ReadOnlySpan<byte> Gateway => ((ReadOnlySpan<byte>)_bytes)[(2 * PartBytes)..];

    /// <summary>False for another length than 96 or identities that are no curve points.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out Recipient recipient)
    {
        if (bytes.Length == Bytes
            && Ed25519.IsPoint(bytes[..PartBytes])
            && Ed25519.IsPoint(bytes[(2 * PartBytes)..]))
        {
            recipient = new Recipient(bytes);
            return true;
        }

        recipient = default;
        return false;
    }

    public static bool TryParse([NotNullWhen(true)] string? text, out Recipient recipient) =>
        TryParse(text.AsSpan(), out recipient);

    public static bool TryParse(ReadOnlySpan<char> text, out Recipient recipient)
    {
        recipient = default;
        int at = text.IndexOf('@');
        int dot = text.IndexOf('.');
        if (dot < 0 || at < dot || text.Length > MaximumTextChars)
            return false;

        Span<byte> bytes = stackalloc byte[Bytes];
        return TryDecodePart(text[..dot], bytes[..PartBytes])
            && TryDecodePart(text[(dot + 1)..at], bytes.Slice(PartBytes, PartBytes))
            && TryDecodePart(text[(at + 1)..], bytes[(2 * PartBytes)..])
            && TryRead(bytes, out recipient);
    }

    public void CopyTo(Span<byte> destination) => ((ReadOnlySpan<byte>)_bytes).CopyTo(destination);

    public override string ToString() =>
        $"{Base58.Bitcoin.Encode(Identity)}.{Base58.Bitcoin.Encode(EncryptionKey)}@{Base58.Bitcoin.Encode(Gateway)}";

    public bool Equals(Recipient other) => ((ReadOnlySpan<byte>)_bytes).SequenceEqual(other._bytes);

    public override bool Equals(object? obj) => obj is Recipient other && Equals(other);

    // Peers choose these bytes, so the hash takes in all of them and the process's random seed.
    public override int GetHashCode()
    {
        HashCode hash = default;
        hash.AddBytes(_bytes);
        return hash.ToHashCode();
    }

    public static bool operator ==(Recipient left, Recipient right) => left.Equals(right);

    public static bool operator !=(Recipient left, Recipient right) => !left.Equals(right);

    private static bool TryDecodePart(ReadOnlySpan<char> text, Span<byte> part)
    {
        // A dot or @ inside a part is no base58 character; 32 bytes never take more than 44 characters.
        if (text.Length is < PartBytes or > MaximumPartChars)
            return false;
        foreach (char c in text)
        {
            if (!IsBase58(c))
                return false;
        }

        Span<byte> decoded = stackalloc byte[MaximumPartChars];
        if (!Base58.Bitcoin.TryDecode(text, decoded, out int written) || written != PartBytes)
            return false;
        decoded[..PartBytes].CopyTo(part);
        return true;
    }

    private static bool IsBase58(char c) =>
        char.IsAsciiLetterOrDigit(c) && c is not ('0' or 'O' or 'I' or 'l');

    [InlineArray(Bytes)]
    private struct Storage
    {
        private byte _first;
    }
}
