using FastExit.Crypto.EndToEnd;
using FastExit.Delivery;
using FastExit.Memory;

namespace FastExit.Tests.Delivery;

/// <summary>Fragments as they are after decryption.</summary>
internal static class Fragments
{
    public static byte[][] Of(byte[] message, int fragmentBytes, uint[] setIds)
    {
        FragmentPlan plan = FragmentPlan.For(message.Length, fragmentBytes);
        var fragments = new byte[plan.Packets][];
        for (int i = 0; i < fragments.Length; i++)
        {
            fragments[i] = new byte[fragmentBytes];
            plan.WriteFragment(message, i, setIds, fragments[i]);
        }

        return fragments;
    }

    /// <summary>Hands a fragment to the inbox of the first core.</summary>
    public static bool Hand(ExitBench exit, ReadOnlySpan<byte> fragment)
    {
        exit.One.Pool.TryRent(fragment.Length < 2000 ? SlotClass.Regular : SlotClass.Extended, out SlotHandle slot);
        fragment.CopyTo(exit.One.Pool.Slot(slot)[ReplyLayout.FragmentOffset..]);
        return exit.One.Inbox.OnFragment(slot, ReplyLayout.FragmentOffset, fragment.Length, exit.Now) == FragmentFate.Taken;
    }
}
