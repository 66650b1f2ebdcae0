using System.Security.Cryptography;

namespace FastExit.Crypto;

// Random bytes fetched from the system's generator a few kilobytes at a time: what one request costs does not depend on its
// size as long as that is small. A byte is given out once and wiped here as it is.
internal sealed class RandomReserve
{
    private const int Bytes = 4096;

    private readonly byte[] _bytes = GC.AllocateArray<byte>(Bytes, pinned: true);
    private int _used = Bytes;

    /// <summary>Fills destination with fresh random bytes.</summary>
    public void Fill(Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            if (_used == Bytes)
            {
                RandomNumberGenerator.Fill(_bytes);
                _used = 0;
            }

            Span<byte> taken = _bytes.AsSpan(_used, Math.Min(Bytes - _used, destination.Length));
            taken.CopyTo(destination);
            CryptographicOperations.ZeroMemory(taken);
            _used += taken.Length;
            destination = destination[taken.Length..];
        }
    }
}
