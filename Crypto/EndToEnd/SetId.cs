using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace FastExit.Crypto.EndToEnd;

/// <summary>Identifiers of fragment sets: 1..2^31-1; 0 belongs to cover traffic (end-to-end.md §3.2).</summary>
public static class SetId
{
    public const uint Maximum = int.MaxValue;

    /// <summary>Uniform over all legal ids, from the system's cryptographic generator.</summary>
    public static uint Next()
    {
        uint value = 0;
        do
            RandomNumberGenerator.Fill(MemoryMarshal.AsBytes(new Span<uint>(ref value)));
        while ((value &= Maximum) == 0);
        return value;
    }

    /// <summary>Fills a span with pairwise different ids: linked sets of one message must not share one.</summary>
    public static void Fill(Span<uint> setIds)
    {
        for (int i = 0; i < setIds.Length; i++)
        {
            do
                setIds[i] = Next();
            while (setIds[..i].Contains(setIds[i]));
        }
    }
}
