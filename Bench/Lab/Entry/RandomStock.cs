using System.Security.Cryptography;

namespace FastExit.Bench.Lab.Entry;

/// <summary>Random bytes of the system's generator, fetched some thousand at a time: masks and nonces take a few for every packet.</summary>
internal static class RandomStock
{
    private const int Bytes = 4096;

    [ThreadStatic]
    private static byte[]? t_bytes;

    [ThreadStatic]
    private static int t_left;

    public static void Fill(Span<byte> destination)
    {
        byte[] bytes = t_bytes ??= new byte[Bytes];
        if (t_left < destination.Length)
        {
            RandomNumberGenerator.Fill(bytes);
            t_left = Bytes;
        }

        Span<byte> taken = bytes.AsSpan(Bytes - t_left, destination.Length);
        taken.CopyTo(destination);
        taken.Clear();
        t_left -= destination.Length;
    }
}
