using System.Buffers.Binary;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Sphinx;

// Remembers of public keys whether they are on the curve or on its twist. Routes draw from one small directory, so the
// test (a square root's worth of work, a tenth of a multiplication) is paid once a key and not once a header.
//
// Direct mapped, 512 keys, 16.5 KiB; a clash only costs the test again. Public data: look-ups may branch.
internal sealed class CurveKeyCache
{
    private const int Entries = 512;
    private const byte Curve = 1, Twist = 2;

    private readonly byte[] _keys = new byte[Entries * X25519.KeyBytes];
    private readonly byte[] _verdicts = new byte[Entries];

    public bool IsOnCurve(ReadOnlySpan<byte> key)
    {
        int entry = BinaryPrimitives.ReadUInt16LittleEndian(key) % Entries;
        Span<byte> stored = _keys.AsSpan(entry * X25519.KeyBytes, X25519.KeyBytes);
        if (_verdicts[entry] == 0 || !stored.SequenceEqual(key))
        {
            key.CopyTo(stored);
            _verdicts[entry] = X25519.IsOnCurve(key) ? Curve : Twist;
        }

        return _verdicts[entry] == Curve;
    }
}
